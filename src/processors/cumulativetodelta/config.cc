#include "processors/cumulativetodelta/config.h"

#include <re2/re2.h>

#include <algorithm>

namespace narthex::processors {
namespace {

using otlp::MetricKind;

std::string Lowered(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

void ReadKinds(config::MapReader& reader, CumulativeToDeltaConfig::Matcher& matcher) {
  std::vector<std::string> types;
  reader.Read("metric_types", types, "`sum`, `histogram`, `exponentialhistogram`");
  for (const std::string& type : types) {
    const std::string word = Lowered(type);
    if (word == "sum") {
      matcher.kinds.insert(MetricKind::kSum);
    } else if (word == "histogram") {
      matcher.kinds.insert(MetricKind::kHistogram);
    } else if (word == "exponentialhistogram") {
      matcher.kinds.insert(MetricKind::kExponentialHistogram);
    } else {
      reader.Report("metric_types", fmt::format("\"{}\" is not sum, histogram or "
                                                "exponentialhistogram",
                                                type));
    }
  }
}

CumulativeToDeltaConfig::Matcher ReadMatcher(const config::Node& node,
                                             config::Diagnostics& diagnostics) {
  CumulativeToDeltaConfig::Matcher matcher;
  std::string type;
  std::vector<std::string> names;
  config::MapReader reader(node, diagnostics);
  reader.Read("match_type", type, "`strict` or `regexp`");
  reader.Read("metrics", names, "By name");
  (void)reader.TakeWithoutEffect({"regexp"});  // The size of a cache that we do without.
  ReadKinds(reader, matcher);
  reader.Finish();
  if (names.empty() && matcher.kinds.empty()) {
    reader.Report("metrics", "at least one metric or metric type has to be given");
  }
  if (type == "regexp") {
    for (const std::string& name : names) {
      auto pattern = std::make_shared<const re2::RE2>(name, re2::RE2::Quiet);
      if (!pattern->ok()) reader.Report("metrics", pattern->error());
      matcher.patterns.push_back(std::move(pattern));
    }
  } else if (type == "strict" || names.empty()) {
    matcher.names = std::move(names);
  } else {
    reader.Report("match_type", "must be strict or regexp");
  }
  return matcher;
}

}  // namespace

bool CumulativeToDeltaConfig::Matcher::Matches(const otlp::TreeMetric& metric) const {
  if (!kinds.empty() && !kinds.contains(metric.kind)) return false;
  if (names.empty() && patterns.empty()) return true;
  return std::ranges::find(names, metric.name) != names.end() ||
         std::ranges::any_of(patterns, [&](const auto& pattern) {
           return re2::RE2::PartialMatch(metric.name, *pattern);
         });
}

bool CumulativeToDeltaConfig::Converts(const otlp::TreeMetric& metric) const {
  if (metric.temporality != otlp::Temporality::kCumulative) return false;
  if (metric.kind == MetricKind::kSum && !metric.is_monotonic) return false;
  if (metric.kind != MetricKind::kSum && metric.kind != MetricKind::kHistogram &&
      metric.kind != MetricKind::kExponentialHistogram) {
    return false;
  }
  return (!include.has_value() || include->Matches(metric)) &&
         (!exclude.has_value() || !exclude->Matches(metric));
}

CumulativeToDeltaConfig ReadCumulativeToDeltaConfig(const pipeline::CreateContext& context) {
  CumulativeToDeltaConfig config;
  int64_t staleness_ns = 0;
  std::string initial = "auto";
  config::MapReader reader(context.config, context.diagnostics);
  if (const config::Node* node = reader.Take("include", "Only these")) {
    config.include = ReadMatcher(*node, context.diagnostics);
  }
  if (const config::Node* node = reader.Take("exclude", "Not these")) {
    config.exclude = ReadMatcher(*node, context.diagnostics);
  }
  reader.ReadGoDuration("max_staleness", staleness_ns,
                        "A stream without points is forgotten after this long; `0s`: never");
  reader.Read("initial_value", initial,
              "Of a stream's first point: `keep`, `drop`, or `auto`, which keeps it where the "
              "stream began after us");
  reader.Finish();
  if (staleness_ns < 0) reader.Report("max_staleness", "must not be negative");
  config.max_staleness = std::chrono::nanoseconds(staleness_ns);
  if (initial == "keep") {
    config.initial = CumulativeToDeltaConfig::Initial::kKeep;
  } else if (initial == "drop") {
    config.initial = CumulativeToDeltaConfig::Initial::kDrop;
  } else if (initial != "auto") {
    reader.Report("initial_value", "must be auto, keep or drop");
  }
  return config;
}

}  // namespace narthex::processors
