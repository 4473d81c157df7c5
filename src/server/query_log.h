#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "base/result.h"
#include "promql/engine.h"

namespace narthex::server {

// Writes a line of JSON for each query that has ended, where a file is named for that. Thread-safe.
// Source: Prometheus, query_log_file; with the keys of version 2 (`ts`) and 3 (`time`, `level`,
// `msg`), so that whoever reads either reads this.
class QueryLog final : public promql::Engine::Log {
 public:
  QueryLog(base::FileSystem& files, const base::Clock& clock) : files_(files), clock_(clock) {}

  // Goes on in the file with this name, which may have been moved away meanwhile; empty: nothing is
  // written. Error: the file cannot be opened, and nothing has changed.
  base::Status Reopen(const std::string& path) EXCLUDES_LOCK(mutex_);

  void Write(const promql::Engine::Ended& query) override EXCLUDES_LOCK(mutex_);

  bool enabled() const { return enabled_; }
  // Lines that could not be written.
  uint64_t failures() const { return failures_; }

 private:
  base::FileSystem& files_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  std::unique_ptr<base::File> file_ GUARDED_BY(mutex_);  // Null: nothing is written.
  std::atomic<bool> enabled_{false};
  std::atomic<uint64_t> failures_{0};
};

}  // namespace narthex::server
