#pragma once

#include <string>

#include "base/result.h"
#include "otlp/batch.h"

namespace narthex::otlp {

// Values nested deeper than this are refused, in protobuf and in JSON.
inline constexpr size_t kValueDepthMax = 100;

// Indexes the bytes of an ExportMetricsServiceRequest (or MetricsData) and takes them over. Checks
// everything once, so that views into the batch need no checks. Unknown fields are skipped, and the
// field that older senders used for scopes (1000) is read as scope_metrics.
// Error: kInvalidArgument with the offset of the damage.
base::Result<Batch> DecodeMetrics(std::string request);

}  // namespace narthex::otlp
