#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "promql/parser/parser.h"
#include "promql/parser/printer.h"

// What parses prints as something that parses to the same text again, on one line and on many.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  constexpr promql::ParseOptions kEverything{.depth_max = 200,
                                             .experimental_functions = true,
                                             .extended_range_selectors = true,
                                             .fill_modifiers = true};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto expr = promql::Parse(text, kEverything);
  if (!expr) return 0;
  const std::string printed = promql::ToString(**expr);
  const auto again = promql::Parse(printed, kEverything);
  CHECK(again.has_value());
  CHECK(promql::ToString(**again) == printed);
  const auto pretty = promql::Parse(promql::Pretty(**expr), kEverything);
  CHECK(pretty.has_value());
  CHECK(promql::ToString(**pretty) == printed);
  return 0;
}
