#include "otlp/internal/schema.h"

namespace narthex::otlp::internal {
namespace {

using enum FieldType;
using enum Presence;
using M = MessageId;

constexpr Field kRequest[] = {{1, "resourceMetrics", kMessage, kRepeated, M::kResourceMetrics}};
constexpr Field kResourceMetrics[] = {
    {1, "resource", kMessage, kExplicit, M::kResource},
    {2, "scopeMetrics", kMessage, kRepeated, M::kScopeMetrics},
    {3, "schemaUrl", kString},
    {1000, "instrumentationLibraryMetrics", kMessage, kRepeated, M::kScopeMetrics},
};
constexpr Field kResource[] = {
    {1, "attributes", kMessage, kRepeated, M::kKeyValue},
    {2, "droppedAttributesCount", kUint32},
    {3, "entityRefs", kMessage, kRepeated, M::kEntityRef},
};
constexpr Field kEntityRef[] = {
    {1, "schemaUrl", kString},
    {2, "type", kString},
    {3, "idKeys", kString, kRepeated},
    {4, "descriptionKeys", kString, kRepeated},
};
constexpr Field kScopeMetrics[] = {
    {1, "scope", kMessage, kExplicit, M::kScope},
    {2, "metrics", kMessage, kRepeated, M::kMetric},
    {3, "schemaUrl", kString},
};
constexpr Field kScope[] = {
    {1, "name", kString},
    {2, "version", kString},
    {3, "attributes", kMessage, kRepeated, M::kKeyValue},
    {4, "droppedAttributesCount", kUint32},
};
constexpr Field kMetric[] = {
    {1, "name", kString},
    {2, "description", kString},
    {3, "unit", kString},
    {5, "gauge", kMessage, kOneof, M::kGauge},
    {7, "sum", kMessage, kOneof, M::kSum},
    {9, "histogram", kMessage, kOneof, M::kHistogram},
    {10, "exponentialHistogram", kMessage, kOneof, M::kExponentialHistogram},
    {11, "summary", kMessage, kOneof, M::kSummary},
    {12, "metadata", kMessage, kRepeated, M::kKeyValue},
};
constexpr Field kGauge[] = {{1, "dataPoints", kMessage, kRepeated, M::kNumberPoint}};
constexpr Field kSum[] = {
    {1, "dataPoints", kMessage, kRepeated, M::kNumberPoint},
    {2, "aggregationTemporality", kTemporality},
    {3, "isMonotonic", kBool},
};
constexpr Field kHistogram[] = {
    {1, "dataPoints", kMessage, kRepeated, M::kHistogramPoint},
    {2, "aggregationTemporality", kTemporality},
};
constexpr Field kExponentialHistogram[] = {
    {1, "dataPoints", kMessage, kRepeated, M::kExponentialPoint},
    {2, "aggregationTemporality", kTemporality},
};
constexpr Field kSummary[] = {{1, "dataPoints", kMessage, kRepeated, M::kSummaryPoint}};
constexpr Field kNumberPoint[] = {
    {7, "attributes", kMessage, kRepeated, M::kKeyValue},
    {2, "startTimeUnixNano", kFixed64},
    {3, "timeUnixNano", kFixed64},
    {4, "asDouble", kDouble, kOneof},
    {6, "asInt", kSfixed64, kOneof},
    {5, "exemplars", kMessage, kRepeated, M::kExemplar},
    {8, "flags", kUint32},
};
constexpr Field kHistogramPoint[] = {
    {9, "attributes", kMessage, kRepeated, M::kKeyValue},
    {2, "startTimeUnixNano", kFixed64},
    {3, "timeUnixNano", kFixed64},
    {4, "count", kFixed64},
    {5, "sum", kDouble, kExplicit},
    {6, "bucketCounts", kFixed64, kRepeated},
    {7, "explicitBounds", kDouble, kRepeated},
    {8, "exemplars", kMessage, kRepeated, M::kExemplar},
    {10, "flags", kUint32},
    {11, "min", kDouble, kExplicit},
    {12, "max", kDouble, kExplicit},
};
constexpr Field kExponentialPoint[] = {
    {1, "attributes", kMessage, kRepeated, M::kKeyValue},
    {2, "startTimeUnixNano", kFixed64},
    {3, "timeUnixNano", kFixed64},
    {4, "count", kFixed64},
    {5, "sum", kDouble, kExplicit},
    {6, "scale", kSint32},
    {7, "zeroCount", kFixed64},
    {8, "positive", kMessage, kExplicit, M::kBuckets},
    {9, "negative", kMessage, kExplicit, M::kBuckets},
    {10, "flags", kUint32},
    {11, "exemplars", kMessage, kRepeated, M::kExemplar},
    {12, "min", kDouble, kExplicit},
    {13, "max", kDouble, kExplicit},
    {14, "zeroThreshold", kDouble},
};
constexpr Field kBuckets[] = {
    {1, "offset", kSint32},
    {2, "bucketCounts", kUint64, kRepeated},
};
constexpr Field kSummaryPoint[] = {
    {7, "attributes", kMessage, kRepeated, M::kKeyValue},
    {2, "startTimeUnixNano", kFixed64},
    {3, "timeUnixNano", kFixed64},
    {4, "count", kFixed64},
    {5, "sum", kDouble},
    {6, "quantileValues", kMessage, kRepeated, M::kQuantile},
    {8, "flags", kUint32},
};
constexpr Field kQuantile[] = {{1, "quantile", kDouble}, {2, "value", kDouble}};
constexpr Field kExemplar[] = {
    {7, "filteredAttributes", kMessage, kRepeated, M::kKeyValue},
    {2, "timeUnixNano", kFixed64},
    {3, "asDouble", kDouble, kOneof},
    {6, "asInt", kSfixed64, kOneof},
    {4, "spanId", kHex},
    {5, "traceId", kHex},
};
constexpr Field kKeyValue[] = {
    {1, "key", kString},
    {2, "value", kMessage, kExplicit, M::kAnyValue},
};
constexpr Field kAnyValue[] = {
    {1, "stringValue", kString, kOneof},
    {2, "boolValue", kBool, kOneof},
    {3, "intValue", kInt64, kOneof},
    {4, "doubleValue", kDouble, kOneof},
    {5, "arrayValue", kMessage, kOneof, M::kArrayValue},
    {6, "kvlistValue", kMessage, kOneof, M::kKeyValueList},
    {7, "bytesValue", kBase64, kOneof},
};
constexpr Field kArrayValue[] = {{1, "values", kMessage, kRepeated, M::kAnyValue}};
constexpr Field kKeyValueList[] = {{1, "values", kMessage, kRepeated, M::kKeyValue}};
constexpr Field kTraceRequest[] = {{1, "resourceSpans", kMessage, kRepeated, M::kResourceSpans}};
constexpr Field kResourceSpans[] = {
    {1, "resource", kMessage, kExplicit, M::kResource},
    {2, "scopeSpans", kMessage, kRepeated, M::kScopeSpans},
    {1000, "instrumentationLibrarySpans", kMessage, kRepeated, M::kScopeSpans},
};
constexpr Field kScopeSpans[] = {
    {1, "scope", kMessage, kExplicit, M::kScope},
    {2, "spans", kMessage, kRepeated, M::kSpan},
};
constexpr Field kSpan[] = {
    {1, "traceId", kHex},
    {2, "spanId", kHex},
    {3, "traceState", kString},
    {5, "name", kString},
    {6, "kind", kSpanKind},
    {7, "startTimeUnixNano", kFixed64},
    {8, "endTimeUnixNano", kFixed64},
    {9, "attributes", kMessage, kRepeated, M::kKeyValue},
    {11, "events", kMessage, kRepeated, M::kSpanEvent},
    {15, "status", kMessage, kExplicit, M::kSpanStatus},
};
constexpr Field kSpanEvent[] = {
    {1, "timeUnixNano", kFixed64},
    {2, "name", kString},
    {3, "attributes", kMessage, kRepeated, M::kKeyValue},
};
constexpr Field kSpanStatus[] = {{2, "message", kString}, {3, "code", kStatusCode}};

constexpr std::string_view kTemporalities[] = {"AGGREGATION_TEMPORALITY_UNSPECIFIED",
                                               "AGGREGATION_TEMPORALITY_DELTA",
                                               "AGGREGATION_TEMPORALITY_CUMULATIVE"};
constexpr std::string_view kSpanKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                           "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                           "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
constexpr std::string_view kStatusCodes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                             "STATUS_CODE_ERROR"};

// In the order of MessageId.
constexpr std::span<const Field> kMessages[] = {
    kRequest,
    kResourceMetrics,
    kResource,
    kEntityRef,
    kScopeMetrics,
    kScope,
    kMetric,
    kGauge,
    kSum,
    kHistogram,
    kExponentialHistogram,
    kSummary,
    kNumberPoint,
    kHistogramPoint,
    kExponentialPoint,
    kBuckets,
    kSummaryPoint,
    kQuantile,
    kExemplar,
    kKeyValue,
    kAnyValue,
    kArrayValue,
    kKeyValueList,
    kTraceRequest,
    kResourceSpans,
    kScopeSpans,
    kSpan,
    kSpanEvent,
    kSpanStatus,
};
static_assert(std::size(kMessages) == static_cast<size_t>(MessageId::kNone));

// "schemaUrl" and "schema_url".
bool IsSnakeOf(std::string_view camel, std::string_view snake) {
  size_t at = 0;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') {
      if (at + 1 >= snake.size() || snake[at] != '_' || snake[at + 1] != c + 32) return false;
      at += 2;
    } else {
      if (at >= snake.size() || snake[at] != c) return false;
      ++at;
    }
  }
  return at == snake.size();
}

}  // namespace

std::span<const std::string_view> EnumNames(FieldType type) {
  switch (type) {
    case kTemporality:
      return kTemporalities;
    case FieldType::kSpanKind:
      return kSpanKinds;
    case FieldType::kStatusCode:
      return kStatusCodes;
    default:
      return {};
  }
}

std::span<const Field> FieldsOf(MessageId message) {
  return kMessages[static_cast<size_t>(message)];
}

const Field* FindField(MessageId message, std::string_view name) {
  for (const Field& field : FieldsOf(message)) {
    if (field.name == name) return &field;
  }
  if (name.find('_') == std::string_view::npos) return nullptr;
  for (const Field& field : FieldsOf(message)) {
    if (IsSnakeOf(field.name, name)) return &field;
  }
  return nullptr;
}

}  // namespace narthex::otlp::internal
