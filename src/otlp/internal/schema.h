#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace narthex::otlp::internal {

// The messages of metrics.proto and what they contain, as data: the JSON codec walks these tables.
// Of trace.proto, what DecodeTraces reads.
// Source: opentelemetry-proto 1.11.

enum class MessageId : uint8_t {
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
  kNone,
};

enum class FieldType : uint8_t {
  kString,
  kBase64,  // bytes
  kHex,     // bytes that JSON spells in hexadecimal: trace and span ids
  kBool,
  kUint32,
  kInt64,
  kSint32,
  kUint64,
  kFixed64,
  kSfixed64,
  kDouble,
  kTemporality,  // These three: enum.
  kSpanKind,
  kStatusCode,
  kMessage,
};

enum class Presence : uint8_t {
  kImplicit,  // Zero and absent are the same.
  kExplicit,  // optional
  kOneof,     // No message has more than one oneof.
  kRepeated,
};

struct Field {
  uint32_t number;
  std::string_view name;  // lowerCamelCase
  FieldType type;
  Presence presence = Presence::kImplicit;
  MessageId message = MessageId::kNone;
};

// The names of an enum's values from 0 on; of another type, none.
std::span<const std::string_view> EnumNames(FieldType type);

std::span<const Field> FieldsOf(MessageId message);

// By lowerCamelCase name or by the snake_case name of the .proto file.
const Field* FindField(MessageId message, std::string_view name);

}  // namespace narthex::otlp::internal
