#include "processors/metricstransform/config.h"

#include <re2/re2.h>

namespace narthex::processors {
namespace {

using Op = MetricOperation::Action;

constexpr std::pair<std::string_view, Op> kOperations[] = {
    {"add_label", Op::kAddLabel},
    {"update_label", Op::kUpdateLabel},
    {"delete_label_value", Op::kDeleteLabelValue},
    {"toggle_scalar_data_type", Op::kToggleScalarDataType},
    {"experimental_scale_value", Op::kScaleValue},
    {"aggregate_labels", Op::kAggregateLabels},
    {"aggregate_label_values", Op::kAggregateLabelValues},
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs ReadPairs(config::MapReader& reader, std::string_view key, std::string_view meaning) {
  Pairs pairs;
  const config::Node* node = reader.Take(key, meaning, "map");
  if (node == nullptr) return pairs;
  if (!node->is_map()) {
    reader.Report(key, "must be a map");
    return pairs;
  }
  for (const auto& [name, value] : node->members) pairs.emplace_back(name.scalar, value.scalar);
  return pairs;
}

std::optional<otlp::Aggregation> ReadAggregation(config::MapReader& reader) {
  std::string name;
  if (!reader.Read(
          "aggregation_type", name,
          "How points that are alike become one: `sum`, `mean`, `min`, `max`, `median`, `count`; "
          "of `combine` and of operations `sum` without it"))
    return std::nullopt;
  const auto aggregation = otlp::AggregationFromName(name);
  if (!aggregation.has_value()) {
    reader.Report("aggregation_type", "must be sum, mean, min, max, median or count");
  }
  return aggregation;
}

Pairs ReadValueActions(const config::Node& list, config::Diagnostics& diagnostics) {
  Pairs pairs;
  for (const config::Node& item : list.items) {
    std::string value, new_value;
    config::MapReader reader(item, diagnostics);
    reader.Read("value", value, "The old value");
    reader.Read("new_value", new_value, "The new one");
    reader.Finish();
    pairs.emplace_back(std::move(value), std::move(new_value));
  }
  return pairs;
}

void Require(config::MapReader& reader, std::string_view key, bool is_there) {
  if (!is_there) reader.Report(key, "must be given for this action");
}

void CheckOperation(config::MapReader& reader, const MetricOperation& operation) {
  switch (operation.action) {
    case Op::kAddLabel:
      Require(reader, "new_label", !operation.new_label.empty());
      return Require(reader, "new_value", !operation.new_value.empty());
    case Op::kUpdateLabel:
      return Require(reader, "label", !operation.label.empty());
    case Op::kDeleteLabelValue:
      Require(reader, "label", !operation.label.empty());
      return Require(reader, "label_value", !operation.label_value.empty());
    case Op::kScaleValue:
      return Require(reader, "experimental_scale", operation.scale != 0);
    case Op::kAggregateLabelValues:
      Require(reader, "label", !operation.label.empty());
      return Require(reader, "new_value", !operation.new_value.empty());
    case Op::kToggleScalarDataType:
    case Op::kAggregateLabels:
      return;
  }
}

MetricOperation ReadOperation(const config::Node& node, config::Diagnostics& diagnostics) {
  MetricOperation operation;
  std::string action;
  config::MapReader reader(node, diagnostics);
  reader.Read("action", action,
              "`add_label`, `update_label`, `delete_label_value`, `toggle_scalar_data_type`, "
              "`experimental_scale_value`, `aggregate_labels` or `aggregate_label_values`");
  reader.Read("label", operation.label, "Of the operations on one label");
  reader.Read("new_label", operation.new_label, "Of `add_label` and `update_label`");
  reader.Read("label_value", operation.label_value, "Of `delete_label_value`: points with it go");
  reader.Read("new_value", operation.new_value, "Of `add_label` and `aggregate_label_values`");
  reader.Read("label_set", operation.label_set, "Of `aggregate_labels`: those that stay");
  reader.Read("aggregated_values", operation.aggregated_values,
              "Of `aggregate_label_values`: those that become one");
  reader.Read("experimental_scale", operation.scale, "Of `experimental_scale_value`: the factor");
  const auto aggregation = ReadAggregation(reader);
  if (const config::Node* list =
          reader.Take("value_actions", "Of `update_label`: values to rename", "list")) {
    operation.value_actions = ReadValueActions(*list, diagnostics);
  }
  reader.Finish();
  operation.aggregation = aggregation.value_or(otlp::Aggregation::kSum);
  for (const auto& [name, value] : kOperations) {
    if (name != action) continue;
    operation.action = value;
    CheckOperation(reader, operation);
    return operation;
  }
  reader.Report("action", fmt::format("unknown operation \"{}\"", action));
  return operation;
}

MetricTransform::Word MakeWord(std::string text, bool is_regexp, config::MapReader& reader,
                               std::string_view key) {
  MetricTransform::Word word{.text = std::move(text)};
  if (!is_regexp) return word;
  word.pattern = std::make_shared<const re2::RE2>(word.text, re2::RE2::Quiet);
  if (!word.pattern->ok()) reader.Report(key, word.pattern->error());
  return word;
}

void ReadAction(config::MapReader& reader, MetricTransform& transform) {
  std::string action, submatch_case;
  reader.Read(
      "action", action,
      "`update`, `insert` (a changed copy) or `combine` (one metric; named groups of the pattern "
      "become labels); required");
  reader.Read("new_name", transform.new_name, "With `$1` and `${name}` of the pattern");
  reader.Read("submatch_case", submatch_case, "Makes them `lower` or `upper`");
  if (action == "insert") {
    transform.action = MetricTransform::Action::kInsert;
  } else if (action == "combine") {
    transform.action = MetricTransform::Action::kCombine;
  } else if (action != "update") {
    reader.Report("action", "must be update, insert or combine");
  }
  if (transform.action != MetricTransform::Action::kUpdate && transform.new_name.empty()) {
    reader.Report("new_name", "must be given for this action");
  }
  if (submatch_case == "lower") {
    transform.submatch_case = MetricTransform::Case::kLower;
  } else if (submatch_case == "upper") {
    transform.submatch_case = MetricTransform::Case::kUpper;
  } else if (!submatch_case.empty()) {
    reader.Report("submatch_case", "must be lower or upper");
  }
}

MetricTransform ReadTransform(const config::Node& node, config::Diagnostics& diagnostics) {
  MetricTransform transform;
  std::string include, match_type = "strict";
  config::MapReader reader(node, diagnostics);
  reader.Read("include", include, "Which metrics; required");
  reader.Read("match_type", match_type, "`regexp` matches anywhere");
  if (match_type != "strict" && match_type != "regexp") {
    reader.Report("match_type", "must be strict or regexp");
  }
  if (include.empty()) reader.Report("include", "must be given");
  const bool is_regexp = match_type == "regexp";
  transform.include = MakeWord(std::move(include), is_regexp, reader, "include");
  for (auto& [key, value] :
       ReadPairs(reader, "experimental_match_labels",
                 "Only points with these labels; the others stay as they are")) {
    transform.match_labels.emplace_back(
        key, MakeWord(std::move(value), is_regexp, reader, "experimental_match_labels"));
  }
  ReadAction(reader, transform);
  transform.aggregation = ReadAggregation(reader);
  transform.group_resource_labels =
      ReadPairs(reader, "group_resource_labels",
                "Moves the metrics to a resource with these attributes, too");
  if (const config::Node* list =
          reader.Take("operations", "On the labels and values of what is included", "list")) {
    if (!list->is_list()) reader.Report("operations", "must be a list");
    for (const config::Node& item : list->items) {
      transform.operations.push_back(ReadOperation(item, diagnostics));
    }
  }
  reader.Finish();
  return transform;
}

}  // namespace

bool MetricTransform::Word::Matches(std::string_view value) const {
  if (pattern == nullptr) return value == text;
  return re2::RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), *pattern);
}

std::vector<MetricTransform> ReadMetricTransforms(const pipeline::CreateContext& context) {
  std::vector<MetricTransform> transforms;
  config::MapReader reader(context.config, context.diagnostics);
  const config::Node* list = reader.Take("transforms", "Required; done in order", "list");
  if (list == nullptr || !list->is_list()) {
    reader.Report("transforms", "must be a list");
  } else {
    for (const config::Node& item : list->items) {
      transforms.push_back(ReadTransform(item, context.diagnostics));
    }
  }
  reader.Finish();
  return transforms;
}

}  // namespace narthex::processors
