#include "scrape/failure_log.h"

#include "base/time_format.h"
#include "json/writer.h"

namespace narthex::scrape {

base::Result<std::shared_ptr<FailureLog>> FailureLog::Open(base::FileSystem& files,
                                                           const std::string& path) {
  auto file = files.Open(path, base::FileSystem::Mode::kAppend);
  if (!file) return std::unexpected(std::move(file).error().In("scrape_failure_log_file"));
  return std::shared_ptr<FailureLog>(new FailureLog(*std::move(file)));
}

bool FailureLog::Write(std::string_view job, std::string_view url, std::string_view error,
                       int64_t now_ms) {
  json::Writer writer;
  writer.BeginObject();
  writer.Key("time").String(base::FormatRfc3339(now_ms));
  writer.Key("level").String("ERROR");
  writer.Key("msg").String(error);
  writer.Key("job_name").String(job);
  writer.Key("target").String(url);
  writer.EndObject();
  const std::string line = writer.Take() + "\n";
  base::MutexLock lock(mutex_);
  return file_->Append(line).has_value();
}

}  // namespace narthex::scrape
