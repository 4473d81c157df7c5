#pragma once

#include <string>
#include <string_view>

#include "sdk/metric_data.h"

namespace narthex::telemetry {

struct PrometheusPageOptions {
  std::string_view const_labels;  // As exposition::AppendLabel makes them; on every series.
  bool with_suffixes = true;      // Units and `_total` in the names.
};

// A collection as a Prometheus text exposition. Cumulative data only.
std::string RenderPrometheus(const sdk::MetricBatch& batch, const PrometheusPageOptions& options);

}  // namespace narthex::telemetry
