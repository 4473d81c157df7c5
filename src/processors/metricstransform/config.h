#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "otlp/aggregate.h"
#include "pipeline/factory.h"

namespace re2 {
class RE2;
}

namespace narthex::processors {

// What the metricstransform processor does. Values.
// Source: opentelemetry-collector-contrib, processor/metricstransformprocessor.

// One entry of `operations`.
struct MetricOperation {
  enum class Action {
    kAddLabel,
    kUpdateLabel,
    kDeleteLabelValue,
    kToggleScalarDataType,
    kScaleValue,
    kAggregateLabels,
    kAggregateLabelValues,
  };
  Action action = Action::kAddLabel;
  std::string label, new_label, label_value, new_value;
  std::vector<std::pair<std::string, std::string>> value_actions;  // Value and new value.
  std::vector<std::string> label_set, aggregated_values;
  otlp::Aggregation aggregation = otlp::Aggregation::kSum;
  double scale = 0;
};

// One entry of `transforms`.
struct MetricTransform {
  enum class Action { kUpdate, kInsert, kCombine };
  enum class Case { kKeep, kLower, kUpper };
  // A text, or a pattern instead; patterns match anywhere.
  struct Word {
    std::string text;
    std::shared_ptr<const re2::RE2> pattern;
    bool Matches(std::string_view value) const;
  };
  Word include;
  std::vector<std::pair<std::string, Word>> match_labels;  // All of them.
  Action action = Action::kUpdate;
  std::string new_name;  // With `$1` and `${name}` for groups of the pattern.
  std::optional<otlp::Aggregation> aggregation;
  Case submatch_case = Case::kKeep;
  std::vector<std::pair<std::string, std::string>> group_resource_labels;
  std::vector<MetricOperation> operations;
};

// What is wrong goes into the context's diagnostics.
std::vector<MetricTransform> ReadMetricTransforms(const pipeline::CreateContext& context);

// Does one operation to a metric.
void Apply(const MetricOperation& operation, otlp::TreeMetric& metric);

}  // namespace narthex::processors
