#include "processors/filter/config.h"

#include <algorithm>

namespace narthex::processors {
namespace {

using ottl::Condition;
using ottl::Level;

std::vector<Condition>& ConditionsAt(FilterConfig& config, Level level) {
  switch (level) {
    case Level::kResource:
      return config.resource;
    case Level::kScope:
      return config.scope;
    case Level::kMetric:
      return config.metric;
    case Level::kDatapoint:
    case Level::kExemplar:  // Refused by who asks.
      break;
  }
  return config.datapoint;
}

// `context`: the level that the file names; without one the condition's own decides.
void ReadCondition(const config::Node& node, std::optional<Level> context,
                   config::Diagnostics& diagnostics, FilterConfig& config) {
  if (!node.is_scalar()) return diagnostics.Add(node.at, "condition: expected text");
  auto condition = Condition::Parse(node.scalar, context.value_or(Level::kMetric));
  if (!condition.has_value()) {
    return diagnostics.Add(node.at, fmt::format("condition: {}", condition.error().message));
  }
  if (condition->level() > context.value_or(Level::kDatapoint)) {
    return diagnostics.Add(node.at, "condition: needs more than its context has");
  }
  ConditionsAt(config, context.value_or(condition->level())).push_back(*std::move(condition));
}

void ReadConditions(config::MapReader& reader, std::string_view key, std::string_view meaning,
                    std::optional<Level> context, config::Diagnostics& diagnostics,
                    FilterConfig& config) {
  const config::Node* list = reader.Take(key, meaning, "list");
  if (list == nullptr) return;
  if (!list->is_list()) return reader.Report(key, "must be a list of conditions");
  for (const config::Node& item : list->items) ReadCondition(item, context, diagnostics, config);
}

void ReadErrorMode(config::MapReader& reader, FilterConfig& config) {
  std::string mode = "ignore";
  if (!reader.Read("error_mode", mode,
                   "A condition that cannot be answered is false: `ignore` says so in the log, "
                   "`silent` does "
                   "not; `propagate` refuses the batch")) {
    return;
  }
  if (mode == "ignore") {
    config.error_mode = FilterConfig::ErrorMode::kIgnore;
  } else if (mode == "silent") {
    config.error_mode = FilterConfig::ErrorMode::kSilent;
  } else if (mode == "propagate") {
    config.error_mode = FilterConfig::ErrorMode::kPropagate;
  } else {
    reader.Report("error_mode", "must be ignore, propagate or silent");
  }
}

// An entry `{context, error_mode, conditions}` of `metric_conditions`.
void ReadGroup(const config::Node& node, config::Diagnostics& diagnostics, FilterConfig& config) {
  std::string name;
  std::optional<Level> context;
  config::MapReader reader(node, diagnostics);
  if (reader.Read(
          "context", name,
          "Of a group: `resource`, `scope`, `metric` or `datapoint`; without it, the innermost "
          "that a condition needs")) {
    context = ottl::LevelFromName(name);
    if (!context.has_value() || *context == Level::kExemplar) {
      reader.Report("context", "must be resource, scope, metric or datapoint");
    }
  }
  ReadErrorMode(reader, config);
  ReadConditions(reader, "conditions", "Of a group", context, diagnostics, config);
  reader.Finish();
}

// The block `metrics`.
void ReadMetrics(const config::Node& node, config::Diagnostics& diagnostics, FilterConfig& config) {
  config::MapReader reader(node, diagnostics);
  config.gate = attributes::MetricGate::Read(reader, diagnostics);
  ReadConditions(reader, "resource", "Conditions on resources, the older way", Level::kResource,
                 diagnostics, config);
  ReadConditions(reader, "metric", "On metrics", Level::kMetric, diagnostics, config);
  ReadConditions(reader, "datapoint", "On data points", Level::kDatapoint, diagnostics, config);
  reader.Finish();
  const bool has_conditions =
      !config.resource.empty() || !config.metric.empty() || !config.datapoint.empty();
  if (has_conditions && !config.gate.is_open()) {
    diagnostics.Add(node.at, "metrics: cannot use include and exclude together with conditions");
  }
}

}  // namespace

FilterConfig ReadFilterConfig(const pipeline::CreateContext& context) {
  FilterConfig config;
  config::MapReader reader(context.config, context.diagnostics);
  ReadErrorMode(reader, config);
  if (const config::Node* node =
          reader.Take("metrics", "Older forms, not together with each other")) {
    ReadMetrics(*node, context.diagnostics, config);
  }
  if (const config::Node* list =
          reader.Take("metric_conditions",
                      "Conditions of [OTTL](#ottl), or groups; what one holds "
                      "for is dropped",
                      "list")) {
    if (!list->is_list()) reader.Report("metric_conditions", "must be a list of conditions");
    for (const config::Node& item : list->items) {
      if (item.is_map()) {
        ReadGroup(item, context.diagnostics, config);
      } else {
        ReadCondition(item, std::nullopt, context.diagnostics, config);
      }
    }
  }
  // Other signals' conditions may stand in a shared block.
  (void)reader.TakeWithoutEffect({"traces", "logs", "profiles", "spans", "trace_conditions",
                                  "log_conditions", "profile_conditions"});
  reader.Finish();
  return config;
}

}  // namespace narthex::processors
