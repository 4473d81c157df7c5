#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::otlp {

// An Exemplar message, read. Views lead into its bytes.
// Source: opentelemetry-proto, metrics.proto.
struct Exemplar {
  uint64_t time_ns = 0;
  double value = 0;
  std::string_view trace_id;  // Bytes, not hexadecimal.
  std::string_view span_id;
  std::string attributes;  // The filtered ones, for KeyValues.
};

// REQUIRES: of a decoded batch, which has checked it.
Exemplar DecodeExemplar(std::string_view message);

// The Exemplar messages among the fields of a point; `field`: 5 of a number, 8 of a histogram, 11
// of an exponential one.
std::vector<std::string_view> ExemplarMessages(std::string_view point, uint32_t field);

// As ids are written in labels.
std::string HexOf(std::string_view bytes);

}  // namespace narthex::otlp
