#pragma once

#include <string>

#include "sdk/metric_data.h"

namespace narthex::telemetry {

// A collection as the bytes of an OTLP ExportMetricsServiceRequest.
std::string EncodeOtlp(const sdk::MetricBatch& batch);

}  // namespace narthex::telemetry
