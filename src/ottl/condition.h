#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "ottl/scene.h"

namespace narthex::ottl {

struct Node;  // Of the syntax tree.

// A condition in the OpenTelemetry Transformation Language: comparisons of paths, literals,
// arithmetic and the results of functions, `and`, `or`, `not`, parentheses. An attribute that is
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
  // Error: kInvalidArgument where a function is given what it cannot work with.
  base::Result<bool> Evaluate(Scene& scene) const;
  // The same, and false for an error.
  bool Holds(Scene& scene) const { return Evaluate(scene).value_or(false); }

 private:
  Condition(std::shared_ptr<const Node> root, Level level)
      : root_(std::move(root)), level_(level) {}

  std::shared_ptr<const Node> root_;
  Level level_;
};

}  // namespace narthex::ottl
