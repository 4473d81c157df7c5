#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "otlp/batch.h"

namespace narthex::ottl {

// The level of telemetry that a condition speaks about, outermost first.
enum class Level { kResource, kScope, kMetric, kDatapoint };

// What a condition is asked about. Members of levels below the condition's own may be null. Views.
struct Subject {
  const otlp::Batch* batch = nullptr;
  const otlp::ResourceMetrics* resource = nullptr;
  const otlp::Scope* scope = nullptr;
  const otlp::Metric* metric = nullptr;
  std::string_view point_attributes;  // Of a data point.
};

struct Node;  // Of the syntax tree.

// A condition in the OpenTelemetry Transformation Language: comparisons of paths and literals,
// `and`, `or`, `not`, parentheses, IsMatch, HasAttrKeyOnDatapoint and HasAttrOnDatapoint. Paths are
// metric.{name, description, unit, type, is_monotonic, aggregation_temporality},
// {resource, scope, datapoint}.attributes["key"] and scope.{name, version}. An attribute that is
// absent is nil; values of different types are unequal and have no order. Immutable, and so
// thread-safe.
// Source: opentelemetry-collector-contrib, pkg/ottl/LANGUAGE.md.
class Condition {
 public:
  // `level`: what paths without a prefix belong to (`name`, `attributes["k"]`).
  // Error: kInvalidArgument "column 7: …".
  static base::Result<Condition> Parse(std::string_view text, Level level = Level::kMetric);

  // The innermost level that it needs.
  Level level() const { return level_; }
  bool Holds(const Subject& subject) const;

 private:
  Condition(std::shared_ptr<const Node> root, Level level)
      : root_(std::move(root)), level_(level) {}

  std::shared_ptr<const Node> root_;
  Level level_;
};

}  // namespace narthex::ottl
