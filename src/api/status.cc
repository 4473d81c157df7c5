#include "api/handlers.h"
#include "base/time_format.h"
#include "json/writer.h"

namespace narthex::api {
namespace {

base::Result<const StatusSource*> Source(const ApiV1::Options& options) {
  if (options.status != nullptr) return options.status;
  return base::Fail(base::Code::kUnavailable, "status is not available");
}

void WriteCounts(json::Writer& writer, std::string_view key,
                 const std::vector<NamedCount>& counts) {
  writer.Key(key).BeginArray();
  for (const NamedCount& entry : counts) {
    writer.BeginObject();
    writer.Key("name").String(entry.name);
    writer.Key("value").Uint(entry.count);
    writer.EndObject();
  }
  writer.EndArray();
}

}  // namespace

base::Result<Answer> StatusBuildInfo(const ApiV1::Options& options, const Request&) {
  ASSIGN_OR_RETURN(const StatusSource* const source, Source(options));
  const BuildInfo info = source->Build();
  json::Writer writer;
  writer.BeginObject();
  writer.Key("version").String(info.version);
  writer.Key("revision").String(info.revision);
  writer.Key("branch").String(info.branch);
  writer.Key("buildUser").String(info.build_user);
  writer.Key("buildDate").String(info.build_date);
  writer.Key("goVersion").String(info.go_version);
  writer.EndObject();
  return Answer{.data = writer.Take()};
}

base::Result<Answer> StatusRuntimeInfo(const ApiV1::Options& options, const Request&) {
  ASSIGN_OR_RETURN(const StatusSource* const source, Source(options));
  const RuntimeInfo info = source->Runtime();
  json::Writer writer;
  writer.BeginObject();
  writer.Key("startTime").String(base::FormatRfc3339(info.start_ms));
  writer.Key("CWD").String(info.working_directory);
  writer.Key("hostname").String(info.hostname);
  writer.Key("serverTime").String(base::FormatRfc3339(options.clock.WallMs()));
  writer.Key("reloadConfigSuccess").Bool(info.reload_success);
  writer.Key("lastConfigTime").String(base::FormatRfc3339(info.last_config_ms));
  writer.Key("corruptionCount").Uint(info.corruption_count);
  // Members of Go's runtime that clients read: threads stand for goroutines, and there is no
  // garbage collector to set.
  writer.Key("goroutineCount").Uint(info.thread_count);
  writer.Key("GOMAXPROCS").Uint(info.thread_count);
  writer.Key("GOMEMLIMIT").Uint(0);
  writer.Key("GOGC").String("");
  writer.Key("GODEBUG").String("");
  writer.Key("storageRetention").String(info.storage_retention);
  writer.EndObject();
  return Answer{.data = writer.Take()};
}

base::Result<Answer> StatusFlags(const ApiV1::Options& options, const Request&) {
  ASSIGN_OR_RETURN(const StatusSource* const source, Source(options));
  json::Writer writer;
  writer.BeginObject();
  for (const auto& [name, value] : source->Flags()) writer.Key(name).String(value);
  writer.EndObject();
  return Answer{.data = writer.Take()};
}

base::Result<Answer> StatusConfig(const ApiV1::Options& options, const Request&) {
  ASSIGN_OR_RETURN(const StatusSource* const source, Source(options));
  json::Writer writer;
  writer.BeginObject();
  writer.Key("yaml").String(source->ConfigYaml());
  writer.EndObject();
  return Answer{.data = writer.Take()};
}

base::Result<Answer> StatusTsdb(const ApiV1::Options& options, const Request& request) {
  constexpr size_t kLimitDefault = 10;
  constexpr size_t kLimitMax = 10'000;
  ASSIGN_OR_RETURN(size_t limit, LimitParam(request));
  if (limit == 0) limit = kLimitDefault;
  if (limit > kLimitMax) {
    return base::Fail(base::Code::kInvalidArgument, "limit must not exceed {}", kLimitMax);
  }
  ASSIGN_OR_RETURN(const StatusSource* const source, Source(options));
  ASSIGN_OR_RETURN(const TsdbStats stats, source->Tsdb(limit));
  json::Writer writer;
  writer.BeginObject();
  writer.Key("headStats").BeginObject();
  writer.Key("numSeries").Uint(stats.series);
  writer.Key("numLabelPairs").Uint(stats.label_pairs);
  writer.Key("chunkCount").Uint(stats.chunks);
  writer.Key("minTime").Int(stats.time_min);
  writer.Key("maxTime").Int(stats.time_max);
  writer.EndObject();
  WriteCounts(writer, "seriesCountByMetricName", stats.series_by_metric);
  WriteCounts(writer, "labelValueCountByLabelName", stats.values_by_label);
  WriteCounts(writer, "memoryInBytesByLabelName", stats.bytes_by_label);
  WriteCounts(writer, "seriesCountByLabelValuePair", stats.series_by_label_pair);
  writer.EndObject();
  return Answer{.data = writer.Take()};
}

}  // namespace narthex::api
