#include "processors/transform/config.h"

#include <algorithm>
#include <optional>

namespace narthex::processors {
namespace {

using ottl::Level;
using ErrorMode = TransformConfig::ErrorMode;
using Group = TransformConfig::Group;

ErrorMode ReadErrorMode(config::MapReader& reader, ErrorMode fallback) {
  constexpr std::string_view kNames[] = {"propagate", "ignore", "silent"};
  std::string mode(kNames[static_cast<size_t>(fallback)]);
  reader.Read(
      "error_mode", mode,
      "After a statement that fails: `propagate` refuses the batch, `ignore` and `silent` go "
      "on with the next statement");
  if (mode == "propagate") return ErrorMode::kPropagate;
  if (mode == "ignore") return ErrorMode::kIgnore;
  if (mode == "silent") return ErrorMode::kSilent;
  reader.Report("error_mode", "must be ignore, propagate or silent");
  return fallback;
}

// `context`: the level that the file names; without one the statements' own decide.
template <class T>
std::optional<T> Parse(const config::Node& node, std::string_view what,
                       std::optional<Level> context, config::Diagnostics& diagnostics) {
  if (!node.is_scalar()) {
    diagnostics.Add(node.at, fmt::format("{}: expected text", what));
    return std::nullopt;
  }
  auto parsed = T::Parse(node.scalar, context.value_or(Level::kMetric));
  if (!parsed.has_value()) {
    diagnostics.Add(node.at, fmt::format("{}: {}", what, parsed.error().message));
    return std::nullopt;
  }
  if (context.has_value() && parsed->level() > *context) {
    diagnostics.Add(node.at, fmt::format("{}: needs more than its context has", what));
    return std::nullopt;
  }
  return *std::move(parsed);
}

template <class T>
void ReadList(config::MapReader& reader, std::string_view key, std::string_view meaning,
              std::string_view what, std::optional<Level> context, config::Diagnostics& diagnostics,
              std::vector<T>& out) {
  const config::Node* list = reader.Take(key, meaning, "list");
  if (list == nullptr) return;
  if (!list->is_list()) return reader.Report(key, fmt::format("must be a list of {}s", what));
  for (const config::Node& item : list->items) {
    if (auto parsed = Parse<T>(item, what, context, diagnostics)) out.push_back(*std::move(parsed));
  }
}

// An entry `{context, error_mode, conditions, statements}`.
Group ReadGroup(const config::Node& node, ErrorMode mode, config::Diagnostics& diagnostics) {
  Group group;
  std::string name;
  std::optional<Level> context;
  config::MapReader reader(node, diagnostics);
  if (reader.Read(
          "context", name,
          "Of a group: `resource`, `scope`, `metric`, `datapoint` or `exemplar`; without it, the "
          "innermost that its statements need")) {
    context = ottl::LevelFromName(name);
    if (!context.has_value()) {
      reader.Report("context", "must be resource, scope, metric, datapoint or exemplar");
    }
  }
  group.error_mode = ReadErrorMode(reader, mode);
  ReadList(reader, "conditions", "Of a group: one has to hold", "condition", context, diagnostics,
           group.conditions);
  ReadList(reader, "statements", "Of a group", "statement", context, diagnostics, group.statements);
  reader.Finish();
  // Without a context it is the innermost level that any of them needs.
  group.level = context.value_or(Level::kResource);
  if (!context.has_value()) {
    for (const auto& each : group.conditions) group.level = std::max(group.level, each.level());
    for (const auto& each : group.statements) group.level = std::max(group.level, each.level());
  }
  const auto changes_metric = [](const auto& each) { return each.changes_metric(); };
  if (group.level > Level::kMetric && std::ranges::any_of(group.statements, changes_metric)) {
    reader.Report("statements",
                  "what changes whole metrics cannot stand beside what looks at their points");
  }
  return group;
}

}  // namespace

TransformConfig ReadTransformConfig(const pipeline::CreateContext& context) {
  TransformConfig config;
  config::MapReader reader(context.config, context.diagnostics);
  const ErrorMode mode = ReadErrorMode(reader, ErrorMode::kIgnore);
  if (const config::Node* list =
          reader.Take("metric_statements", "Statements of [OTTL](#ottl), or groups", "list")) {
    if (!list->is_list()) reader.Report("metric_statements", "must be a list of statements");
    for (const config::Node& item : list->items) {
      if (item.is_map()) {
        config.groups.push_back(ReadGroup(item, mode, context.diagnostics));
        continue;
      }
      auto statement = Parse<ottl::Statement>(item, "statement", std::nullopt, context.diagnostics);
      if (!statement.has_value()) continue;
      // Neighbours of one level are done together, item by item.
      if (config.groups.empty() || config.groups.back().level != statement->level() ||
          !config.groups.back().conditions.empty()) {
        config.groups.push_back({.level = statement->level(), .error_mode = mode});
      }
      config.groups.back().statements.push_back(*std::move(statement));
    }
  }
  // Other signals' statements may stand in a shared block.
  (void)reader.TakeWithoutEffect(
      {"trace_statements", "log_statements", "profile_statements", "flatten_data"});
  reader.Finish();
  return config;
}

}  // namespace narthex::processors
