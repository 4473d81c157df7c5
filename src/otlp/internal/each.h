#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "otlp/internal/wire.h"

namespace narthex::otlp::internal {

// Where a request has resources, these have scopes, and those have spans or log records: the same
// numbers for both signals. Senders before 0.15 had their scopes in 1000, with the same contents.
// Source: opentelemetry-proto, trace.proto and logs.proto.
inline constexpr std::initializer_list<uint32_t> kResourceFields = {1};
inline constexpr std::initializer_list<uint32_t> kScopeFields = {2, 1000};
inline constexpr std::initializer_list<uint32_t> kItemFields = {2};
// The same in JSON: names as protobuf's mapping has them, and as its fields are called.
inline constexpr std::string_view kResourceNames[] = {"resourceSpans", "resource_spans",
                                                      "resourceLogs", "resource_logs"};
inline constexpr std::string_view kScopeNames[] = {"scopeSpans", "scope_spans", "scopeLogs",
                                                   "scope_logs"};
inline constexpr std::string_view kItemNames[] = {"spans", "logRecords", "log_records"};

// Whether the tag is that of a message in one of the fields.
inline bool IsOneOf(uint32_t tag, std::initializer_list<uint32_t> fields) {
  return std::ranges::any_of(fields,
                             [tag](uint32_t field) { return tag == Tag(field, WireType::kBytes); });
}

// Calls `visit` with every message in one of the fields; false for damage, and where `visit` is.
template <class Visit>
bool Each(std::string_view message, std::initializer_list<uint32_t> fields, Visit visit) {
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (!IsOneOf(tag, fields)) {
      cursor.Skip(tag);
    } else if (const std::string_view inner = cursor.ReadBytes(); cursor.ok() && !visit(inner)) {
      return false;
    }
  }
  return cursor.ok();
}

}  // namespace narthex::otlp::internal
