#include "server/query_log.h"

#include <utility>

#include "api/result_json.h"
#include "base/time_format.h"
#include "json/writer.h"

namespace narthex::server {
namespace {

std::string LineOf(const promql::Engine::Ended& query, int64_t now_ms) {
  const std::string now = base::FormatRfc3339(now_ms);
  json::Writer writer;
  writer.BeginObject();
  writer.Key("time").String(now);
  writer.Key("level").String("INFO");
  writer.Key("msg").String("promql query logged");
  if (query.error != nullptr) writer.Key("error").String(query.error->message);
  if (query.origin != nullptr) {
    writer.Key("httpRequest").BeginObject();
    writer.Key("clientIP").String(query.origin->client);
    writer.Key("method").String(query.origin->method);
    writer.Key("path").String(query.origin->path);
    writer.EndObject();
  }
  writer.Key("params").BeginObject();
  writer.Key("end").String(base::FormatRfc3339(query.times.end));
  writer.Key("query").String(query.text);
  writer.Key("start").String(base::FormatRfc3339(query.times.start));
  writer.Key("step").Int(query.times.step_ms / 1000);  // Whole seconds, as upstream cuts it.
  writer.EndObject();
  writer.Key("spanID").String("0000000000000000");  // There is no tracing.
  writer.Key("stats");
  api::WriteStats(writer, query.stats);
  writer.Key("ts").String(now);
  writer.EndObject();
  return writer.Take() + "\n";
}

}  // namespace

base::Status QueryLog::Reopen(const std::string& path) {
  std::unique_ptr<base::File> file;
  if (!path.empty()) {
    ASSIGN_OR_RETURN(file, files_.Open(path, base::FileSystem::Mode::kAppend));
  }
  base::MutexLock lock(mutex_);
  file_.swap(file);
  enabled_ = file_ != nullptr;
  return {};
}

void QueryLog::Write(const promql::Engine::Ended& query) {
  if (!enabled_) return;
  const std::string line = LineOf(query, clock_.WallMs());
  base::MutexLock lock(mutex_);
  if (file_ == nullptr) return;
  if (!file_->Append(line)) ++failures_;
}

}  // namespace narthex::server
