// Any text is an error or a batch; a batch written as JSON is the same when read again.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "otlp/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  const auto batch =
      otlp::DecodeMetricsJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!batch.has_value()) return 0;
  const auto again = otlp::DecodeMetricsJson(otlp::EncodeMetricsJson(*batch));
  CHECK(again.has_value());
  CHECK(again->point_count() == batch->point_count());
  return 0;
}
