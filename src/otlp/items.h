#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace narthex::otlp {

// The spans or log records in an ExportTraceServiceRequest or ExportLogsServiceRequest: in both
// they are field 2 of field 2 of field 1, or of field 1000 of that. Nothing else is looked at.
// Error: kInvalidArgument for bytes that are no such message. Source: opentelemetry-proto 1.11,
// trace_service.proto and logs_service.proto.
base::Result<size_t> CountItems(std::string_view request);
// The same in JSON: of `resourceSpans` or `resourceLogs`. Error: kInvalidArgument for text that is
// no JSON object.
base::Result<size_t> CountItemsJson(std::string_view request);

}  // namespace narthex::otlp
