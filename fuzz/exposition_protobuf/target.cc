// The protobuf exposition parser over arbitrary bytes: it ends, and histograms that it hands out
// are valid, at every resolution.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "exposition/protobuf_parser.h"

using narthex::exposition::ProtobufParser;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The first byte chooses the options.
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  ProtobufParser parser(
      body, {.native_histograms = (data[0] & 1) != 0, .classic_histograms = (data[0] & 2) != 0});
  for (;;) {
    const auto entry = parser.Next();
    if (!entry || !*entry) return 0;
    if (**entry == ProtobufParser::Entry::kSeries || **entry == ProtobufParser::Entry::kHistogram) {
      CHECK(!parser.series().empty());
      const auto labels = parser.Labels();
      if (labels) CHECK(labels->Has("__name__"));
    }
    if (**entry != ProtobufParser::Entry::kHistogram) continue;
    std::visit(
        [](auto histogram) {
          CHECK(histogram.Validate().has_value());
          if (histogram.schema > narthex::model::kExponentialSchemaMin) {
            histogram.ReduceResolution(histogram.schema - 1);
            CHECK(histogram.Validate().has_value());
          }
        },
        parser.histogram());
  }
}
