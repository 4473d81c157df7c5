#include <algorithm>
#include <map>

#include "api/handlers.h"
#include "api/result_json.h"
#include "base/time_format.h"
#include "json/writer.h"

namespace narthex::api {
namespace {

// What upstream writes for a time that never was.
constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

void WriteLabels(json::Writer& writer, std::string_view key, const model::Labels& labels) {
  std::string text;
  AppendLabels(text, labels);
  writer.Key(key).Raw(text);
}

void WriteTarget(json::Writer& writer, const ActiveTarget& target) {
  writer.BeginObject();
  WriteLabels(writer, "discoveredLabels", target.discovered_labels);
  WriteLabels(writer, "labels", target.labels);
  writer.Key("scrapePool").String(target.scrape_pool);
  writer.Key("scrapeUrl").String(target.scrape_url);
  writer.Key("globalUrl").String(target.global_url);
  writer.Key("lastError").String(target.last_error);
  writer.Key("lastScrape");
  if (target.last_scrape_ms == 0) {
    writer.String(kZeroTime);
  } else {
    writer.String(base::FormatRfc3339(target.last_scrape_ms));
  }
  writer.Key("lastScrapeDuration").Double(target.last_scrape_seconds);
  writer.Key("health").String(target.health);
  writer.Key("scrapeInterval").String(target.scrape_interval);
  writer.Key("scrapeTimeout").String(target.scrape_timeout);
  writer.EndObject();
}

}  // namespace

base::Result<Answer> Targets(const ApiV1::Options& options, const Request& request) {
  const std::string_view pool = request.params.Get("scrapePool");
  const std::string_view state = request.params.Get("state");
  const auto wanted = [&](std::string_view of) { return pool.empty() || pool == of; };
  const bool active = state != "dropped";
  const bool dropped = state != "active";
  json::Writer writer;
  writer.BeginObject();
  writer.Key("activeTargets").BeginArray();
  if (options.targets != nullptr && active) {
    for (const ActiveTarget& target : options.targets->Active()) {
      if (wanted(target.scrape_pool)) WriteTarget(writer, target);
    }
  }
  writer.EndArray();
  std::map<std::string, uint64_t> counts;
  writer.Key("droppedTargets").BeginArray();
  if (options.targets != nullptr) {
    for (const std::string& name : options.targets->ScrapePools()) {
      if (wanted(name)) counts[name] = 0;
    }
    for (const DroppedTarget& target : options.targets->Dropped()) {
      if (!wanted(target.scrape_pool)) continue;
      ++counts[target.scrape_pool];
      if (!dropped) continue;
      writer.BeginObject();
      WriteLabels(writer, "discoveredLabels", target.discovered_labels);
      writer.Key("scrapePool").String(target.scrape_pool);
      writer.EndObject();
    }
  }
  writer.EndArray();
  writer.Key("droppedTargetCounts").BeginObject();
  for (const auto& [name, count] : counts) writer.Key(name).Uint(count);
  writer.EndObject().EndObject();
  return Answer{.data = writer.Take()};
}

base::Result<Answer> ScrapePools(const ApiV1::Options& options, const Request&) {
  std::vector<std::string> pools;
  if (options.targets != nullptr) pools = options.targets->ScrapePools();
  std::ranges::sort(pools);
  json::Writer writer;
  writer.BeginObject();
  writer.Key("scrapePools").BeginArray();
  for (const std::string& pool : pools) writer.String(pool);
  writer.EndArray().EndObject();
  return Answer{.data = writer.Take()};
}

base::Result<Answer> Metadata(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(const size_t limit, LimitParam(request));
  ASSIGN_OR_RETURN(const size_t limit_per_metric, LimitParam(request, "limit_per_metric"));
  const std::string_view wanted = request.params.Get("metric");
  std::map<std::string, std::vector<model::Metadata>, std::less<>> metrics;
  if (options.metadata != nullptr) {
    options.metadata->ForEach([&](std::string_view name, const model::Metadata& metadata) {
      if (!wanted.empty() && name != wanted) return;
      auto at = metrics.find(name);
      if (at == metrics.end()) at = metrics.emplace(name, std::vector<model::Metadata>()).first;
      if (limit_per_metric > 0 && at->second.size() >= limit_per_metric) return;
      if (std::ranges::find(at->second, metadata) == at->second.end()) {
        at->second.push_back(metadata);
      }
    });
  }
  json::Writer writer;
  writer.BeginObject();
  size_t count = 0;
  for (const auto& [name, entries] : metrics) {
    if (limit > 0 && count++ == limit) break;
    writer.Key(name).BeginArray();
    for (const model::Metadata& metadata : entries) {
      writer.BeginObject();
      writer.Key("type").String(model::MetricTypeName(metadata.type));
      writer.Key("help").String(metadata.help);
      writer.Key("unit").String(metadata.unit);
      writer.EndObject();
    }
    writer.EndArray();
  }
  writer.EndObject();
  return Answer{.data = writer.Take()};
}

}  // namespace narthex::api
