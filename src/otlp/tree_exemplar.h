#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "otlp/tree.h"

namespace narthex::otlp {

// An Exemplar message taken apart, for stages that change it. Fields that this program does not
// know are dropped. A value. Source: opentelemetry-proto 1.11, metrics.proto.
struct TreeExemplar {
  AttributeMap attributes;  // The filtered ones.
  uint64_t time_ns = 0;
  std::variant<std::monostate, int64_t, double> value;
  std::string trace_id;  // Bytes, not hexadecimal; empty when unknown.
  std::string span_id;

  // REQUIRES: of a decoded batch, which has checked it.
  static TreeExemplar From(std::string_view message);
  std::string Encode() const;
};

}  // namespace narthex::otlp
