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
  if (context.has_value() && condition->level() > *context) {
    return diagnostics.Add(node.at, "condition: needs more than its context has");
  }
  ConditionsAt(config, context.value_or(condition->level())).push_back(*std::move(condition));
}

void ReadConditions(config::MapReader& reader, std::string_view key, std::optional<Level> context,
                    config::Diagnostics& diagnostics, FilterConfig& config) {
  const config::Node* list = reader.Take(key);
  if (list == nullptr) return;
  if (!list->is_list()) return reader.Report(key, "must be a list of conditions");
  for (const config::Node& item : list->items) ReadCondition(item, context, diagnostics, config);
}

std::optional<Level> LevelFromName(std::string_view name) {
  if (name == "resource") return Level::kResource;
  if (name == "scope") return Level::kScope;
  if (name == "metric") return Level::kMetric;
  if (name == "datapoint") return Level::kDatapoint;
  return std::nullopt;
}

void ReadErrorMode(config::MapReader& reader, FilterConfig& config) {
  std::string mode;
  if (!reader.Read("error_mode", mode)) return;
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
  if (reader.Read("context", name)) {
    context = LevelFromName(name);
    if (!context.has_value()) {
      reader.Report("context", "must be resource, scope, metric or datapoint");
    }
  }
  ReadErrorMode(reader, config);
  ReadConditions(reader, "conditions", context, diagnostics, config);
  reader.Finish();
}

// The block `metrics`.
void ReadMetrics(const config::Node& node, config::Diagnostics& diagnostics, FilterConfig& config) {
  config::MapReader reader(node, diagnostics);
  config.gate = attributes::MetricGate::Read(reader, diagnostics);
  ReadConditions(reader, "resource", Level::kResource, diagnostics, config);
  ReadConditions(reader, "metric", Level::kMetric, diagnostics, config);
  ReadConditions(reader, "datapoint", Level::kDatapoint, diagnostics, config);
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
  if (const config::Node* node = reader.Take("metrics")) {
    ReadMetrics(*node, context.diagnostics, config);
  }
  if (const config::Node* list = reader.Take("metric_conditions")) {
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
  for (const char* key : {"traces", "logs", "profiles", "spans", "trace_conditions",
                          "log_conditions", "profile_conditions"}) {
    (void)reader.Take(key);
  }
  reader.Finish();
  return config;
}

}  // namespace narthex::processors
