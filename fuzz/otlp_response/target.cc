// What servers answer, and what is looked at of requests that are passed on as they came.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "otlp/items.h"
#include "otlp/response.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const otlp::Encoding encoding : {otlp::Encoding::kProtobuf, otlp::Encoding::kJson}) {
    (void)otlp::DecodeStatusMessage(bytes, encoding);
    const auto partial = otlp::DecodeExportResponse(bytes, encoding);
    if (!partial.has_value() || encoding == otlp::Encoding::kJson) continue;
    const auto again =
        otlp::DecodeExportResponse(otlp::EncodeExportResponse(*partial, encoding), encoding);
    CHECK(again.has_value() && again->rejected_points == partial->rejected_points);
    CHECK(again->message == partial->message);
  }
  if (const auto delay = otlp::DecodeRetryDelay(bytes)) {
    CHECK(delay->count() >= 0 && *delay < std::chrono::hours(25));
  }
  if (const auto items = otlp::CountItems(bytes)) CHECK(*items <= size);
  if (const auto items = otlp::CountItemsJson(bytes)) CHECK(*items <= size);
  return 0;
}
