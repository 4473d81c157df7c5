#include <algorithm>
#include <cmath>

#include "processors/metricstransform/config.h"

namespace narthex::processors {
namespace {

using otlp::Any;
using otlp::TreeMetric;
using otlp::TreePoint;

void UpdateLabel(const MetricOperation& operation, TreePoint& point) {
  Any* value = otlp::Find(point.attributes, operation.label);
  if (value == nullptr) return;
  for (const auto& [from, to] : operation.value_actions) {
    if (otlp::Text(*value) != from) continue;
    *value = Any(to);
    break;
  }
  if (operation.new_label.empty() || operation.new_label == operation.label) return;
  Any moved = std::move(*value);
  otlp::Erase(point.attributes, operation.label);
  otlp::Put(point.attributes, operation.new_label, std::move(moved));
}

bool IsNumber(const TreeMetric& metric) {
  return metric.kind == otlp::MetricKind::kGauge || metric.kind == otlp::MetricKind::kSum;
}

int64_t Rounded(double value) {
  return static_cast<int64_t>(std::clamp(value, -0x1p63, 0x1.fffffffffffffp62));
}

void Toggle(TreePoint& point) {
  if (point.type == otlp::NumberPoint::Type::kInt) {
    point.SetNumber(static_cast<double>(point.whole));
  } else if (point.type == otlp::NumberPoint::Type::kDouble && !std::isnan(point.real)) {
    point.SetNumber(Rounded(point.real));
  }
}

void Scale(const TreeMetric& metric, double factor, TreePoint& point) {
  if (!IsNumber(metric)) {
    if (metric.kind != otlp::MetricKind::kHistogram) return;
    point.optionals.sum *= factor;
    point.optionals.min *= factor;
    point.optionals.max *= factor;
    for (double& bound : point.explicit_bounds) bound *= factor;
  } else if (point.type == otlp::NumberPoint::Type::kInt) {
    point.SetNumber(Rounded(static_cast<double>(point.whole) * factor));
  } else {
    point.real *= factor;
  }
}

void AggregateValues(const MetricOperation& operation, TreeMetric& metric) {
  for (TreePoint& point : metric.points) {
    Any* value = otlp::Find(point.attributes, operation.label);
    if (value == nullptr) continue;
    const auto& values = operation.aggregated_values;
    if (std::ranges::find(values, otlp::Text(*value)) != values.end()) {
      *value = Any(operation.new_value);
    }
  }
  otlp::JoinPoints(metric, operation.aggregation);
}

void AggregateLabels(const MetricOperation& operation, TreeMetric& metric) {
  const auto& keys = operation.label_set;
  for (TreePoint& point : metric.points) {
    std::erase_if(point.attributes, [&](const auto& pair) {
      return std::ranges::find(keys, pair.first) == keys.end();
    });
  }
  otlp::JoinPoints(metric, operation.aggregation);
}

}  // namespace

void Apply(const MetricOperation& operation, TreeMetric& metric) {
  using Action = MetricOperation::Action;
  switch (operation.action) {
    case Action::kAddLabel:
      for (TreePoint& point : metric.points) {
        otlp::Put(point.attributes, operation.new_label, Any(operation.new_value));
      }
      return;
    case Action::kUpdateLabel:
      for (TreePoint& point : metric.points) UpdateLabel(operation, point);
      return;
    case Action::kDeleteLabelValue:
      std::erase_if(metric.points, [&](const TreePoint& point) {
        const Any* value = otlp::Find(point.attributes, operation.label);
        return value != nullptr && otlp::Text(*value) == operation.label_value;
      });
      return;
    case Action::kToggleScalarDataType:
      if (!IsNumber(metric)) return;
      for (TreePoint& point : metric.points) Toggle(point);
      return;
    case Action::kScaleValue:
      for (TreePoint& point : metric.points) Scale(metric, operation.scale, point);
      return;
    case Action::kAggregateLabels:
      return AggregateLabels(operation, metric);
    case Action::kAggregateLabelValues:
      return AggregateValues(operation, metric);
  }
}

}  // namespace narthex::processors
