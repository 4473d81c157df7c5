// The exposition parser over arbitrary bytes: it ends, and what it hands out stays inside the body.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "exposition/parser.h"

using narthex::exposition::Format;
using narthex::exposition::Parser;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The first byte chooses the format, so that both are explored.
  const Format format = data[0] % 2 == 0 ? Format::kText : Format::kOpenMetrics;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  Parser parser(body, format);
  for (;;) {
    const auto entry = parser.Next();
    if (!entry || !*entry) return 0;
    if (**entry != Parser::Entry::kSeries) continue;
    CHECK(parser.series().data() >= body.data());
    CHECK(parser.series().data() + parser.series().size() <= body.data() + body.size());
    const auto labels = parser.Labels();
    if (labels) CHECK(labels->Has("__name__"));
  }
}
