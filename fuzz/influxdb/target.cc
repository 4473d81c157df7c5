// Line protocol: any text is an error or points, and points are metrics that can be read.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "otlp/decode.h"
#include "receivers/influxdb/points.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  receivers::InfluxPoints points(1, size % 2 == 0 ? 1 : 1'000'000'000);
  receivers::InfluxReader reader({reinterpret_cast<const char*>(data), size});
  for (;;) {
    const auto line = reader.Next();
    if (!line.has_value() || !line->has_value()) break;
    CHECK(!(*line)->measurement.empty() && !(*line)->fields.empty());
    if (!points.Add(**line).has_value()) break;
  }
  if (auto request = points.Take()) CHECK(otlp::DecodeMetrics(*std::move(request)).has_value());
  return 0;
}
