#pragma once

#include "otlp/batch.h"
#include "otlp/response.h"

namespace narthex::receivers {

// Takes out of a batch the data points that contradict themselves, and says how many and why:
// points of a metric without a name, and histograms whose counts do not fit their bounds. A batch
// without such points is not touched.
// Source: OTLP specification 1.11, "Partial Success"; metrics.proto.
otlp::PartialSuccess DropInvalid(otlp::Batch& batch);

}  // namespace narthex::receivers
