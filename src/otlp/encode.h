#pragma once

#include <string>

#include "otlp/batch.h"

namespace narthex::otlp {

// The bytes of an ExportMetricsServiceRequest. What no stage has touched goes out as it came in.
std::string EncodeMetrics(const Batch& batch);

}  // namespace narthex::otlp
