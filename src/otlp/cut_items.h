#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace narthex::otlp {

// A request with some of another's spans or log records. A value.
struct ItemsPart {
  std::string bytes;
  size_t items = 0;
};

// An ExportTraceServiceRequest or ExportLogsServiceRequest as several of at most `items_max` items
// each, in order: every part has the resources and scopes of its items. Those without any are left
// out. Error: kInvalidArgument for bytes that are no such message. REQUIRES: items_max > 0.
// Source: opentelemetry-proto 1.11, trace_service.proto and logs_service.proto.
base::Result<std::vector<ItemsPart>> CutItems(std::string_view request, size_t items_max);
// The same in JSON; what is inside stays as it was written. Error: kInvalidArgument for text that
// is no JSON object, or whose lists cannot be told by their names.
base::Result<std::vector<ItemsPart>> CutItemsJson(std::string_view request, size_t items_max);

}  // namespace narthex::otlp
