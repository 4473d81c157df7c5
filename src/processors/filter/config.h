#pragma once

#include <optional>
#include <vector>

#include "attributes/metric_gate.h"
#include "ottl/condition.h"
#include "pipeline/factory.h"

namespace narthex::processors {

// What the filter drops. A value.
struct FilterConfig {
  // The older way: what `include` and `exclude` do not let pass.
  attributes::MetricGate gate;
  // Conditions by the level they are asked at. Each drops what it holds for.
  std::vector<ottl::Condition> resource, scope, metric, datapoint;
  // After a condition that cannot be answered: log and go on, go on, or refuse the batch.
  enum class ErrorMode { kIgnore, kSilent, kPropagate };
  ErrorMode error_mode = ErrorMode::kIgnore;
};

// What is wrong goes into the context's diagnostics.
FilterConfig ReadFilterConfig(const pipeline::CreateContext& context);

}  // namespace narthex::processors
