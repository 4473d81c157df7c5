#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_memory.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "base/result.h"
#include "promql/engine.h"

namespace narthex::server {

// Keeps the queries that run in a file, which outlives the process: those that are in it at the
// next start may be why it ended. Thread-safe. Source: Prometheus, queries.active: `[`, then slots
// of 1,000 bytes, each a JSON object and a comma, or zeros.
class ActiveQueries final : public promql::Engine::Listener {
 public:
  // `slots`: how many can run at once; what is more is not kept.
  ActiveQueries(const base::Clock& clock, size_t slots) : clock_(clock), slots_(slots) {}

  // The unfinished queries of the last run as a JSON list, empty where there are none; keeps
  // queries in `path` from now on. Error: the file cannot be written.
  base::Result<std::string> Open(base::FileSystem& files, const std::string& path);

  size_t Began(std::string_view text) override;
  void Ended(size_t slot) override;

 private:
  const base::Clock& clock_;
  const size_t slots_;
  base::Mutex mutex_;
  std::unique_ptr<base::FileMemory> memory_ GUARDED_BY(mutex_);  // Null until it is open.
  std::vector<size_t> free_ GUARDED_BY(mutex_);
};

}  // namespace narthex::server
