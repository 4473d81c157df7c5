#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::exporters::internal {

// An exemplar as OpenMetrics shows it. A value.
struct ShownExemplar {
  std::string labels;  // `trace_id="…",span_id="…"`; empty without either.
  double value = 0;
  std::optional<int64_t> time_ms;
};

// The exemplars of a data point's message, where they are the fields of this number. Those that
// cannot be read are left out.
// Source: opentelemetry-proto 1.11, metrics.proto; OpenMetrics 1.0.0, "Exemplars".
std::vector<ShownExemplar> ReadExemplars(std::string_view point, uint32_t field);

}  // namespace narthex::exporters::internal
