#pragma once

#include <string>
#include <string_view>

#include "exposition/parser.h"
#include "sdk/metric_data.h"

namespace narthex::telemetry {

struct PrometheusPageOptions {
  exposition::Format format = exposition::Format::kText;  // Text or OpenMetrics, with exemplars.
  std::string_view const_labels;  // As exposition::AppendLabel makes them; on every series.
  bool with_suffixes = true;      // Units and `_total` in the names.
  bool with_scope = false;        // otel_scope_name, _version, _schema_url and its attributes.
  bool with_target_info = false;  // The resource, as the labels of one series.
};

// A collection as a Prometheus exposition. Cumulative data only. Of an exponential histogram there
// are sum and count, as client libraries show native histograms where text is asked for. Families
// of one name and different types: the first stays.
std::string RenderPrometheus(const sdk::MetricBatch& batch, const PrometheusPageOptions& options);

}  // namespace narthex::telemetry
