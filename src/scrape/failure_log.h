#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/result.h"

namespace narthex::scrape {

// Writes a line of JSON for each scrape that failed, as the job and its target have it.
// Thread-safe. Source: Prometheus, configuration, scrape_failure_log_file.
class FailureLog {
 public:
  // Goes on behind what the file has. Error: it cannot be opened.
  static base::Result<std::shared_ptr<FailureLog>> Open(base::FileSystem& files,
                                                        const std::string& path);

  // False: the line could not be written. `now_ms`: since the Unix epoch.
  bool Write(std::string_view job, std::string_view url, std::string_view error, int64_t now_ms)
      EXCLUDES_LOCK(mutex_);

 private:
  explicit FailureLog(std::unique_ptr<base::File> file) : file_(std::move(file)) {}

  base::Mutex mutex_;
  const std::unique_ptr<base::File> file_ GUARDED_BY(mutex_);
};

}  // namespace narthex::scrape
