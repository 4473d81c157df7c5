#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "ottl/scene.h"

namespace narthex::ottl {

struct Editing;  // The syntax tree.

// One change in the OpenTelemetry Transformation Language: `set(metric.name, "x") where …`.
// Immutable, and so thread-safe.
// Source: opentelemetry-collector-contrib, pkg/ottl and processor/transformprocessor.
class Statement {
 public:
  // `level`: what paths without a prefix belong to.
  // Error: kInvalidArgument "column 7: …".
  static base::Result<Statement> Parse(std::string_view text, Level level = Level::kMetric);

  // The innermost level that it needs.
  Level level() const { return level_; }
  // Whether it changes a metric as a whole, whose points may then be others.
  bool changes_metric() const;
  // Error: kInvalidArgument where a function is given what it cannot work with; what it did before
  // stays done.
  base::Status Run(Stage& stage) const;

 private:
  Statement(std::shared_ptr<const Editing> editing, Level level)
      : editing_(std::move(editing)), level_(level) {}

  std::shared_ptr<const Editing> editing_;
  Level level_;
};

}  // namespace narthex::ottl
