#include "otlp/items.h"

#include <gtest/gtest.h>

#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

TEST(CountItems, CountsSpansAndRecords) {
  Writer writer;
  for (int resource = 0; resource < 2; ++resource) {
    const auto outer = writer.Begin(1);
    writer.Bytes(1, "");  // The resource.
    for (int scope = 0; scope < 3; ++scope) {
      const auto inner = writer.Begin(2);
      writer.Bytes(1, "");
      for (int item = 0; item < 5; ++item) writer.Bytes(2, "anything");
      writer.End(inner);
    }
    writer.End(outer);
  }
  const std::string request = writer.Take();
  EXPECT_EQ(CountItems(request).value(), 30u);
  EXPECT_EQ(CountItems("").value(), 0u);
  for (size_t cut = 1; cut < request.size(); ++cut) {
    const auto counted = CountItems(std::string_view(request).substr(0, cut));
    if (counted.has_value()) {
      EXPECT_LT(*counted, 30u);
    }
  }
  EXPECT_FALSE(CountItems("\x0a\x05").has_value());
}

TEST(CountItems, CountsWhatSendersBefore0Dot15Sent) {
  Writer writer;
  const auto resource = writer.Begin(1);
  const auto scope = writer.Begin(1000);
  writer.Bytes(2, "a span");
  writer.End(scope);
  writer.End(resource);
  EXPECT_EQ(CountItems(writer.Take()).value(), 1u);
}

TEST(CountItemsJson, CountsSpansAndRecords) {
  EXPECT_EQ(CountItemsJson(R"({"resourceSpans":[{"scopeSpans":[{"spans":[{},{}]},{"spans":[{}]}]},
                              {"scopeSpans":[{}]}],"other":1})")
                .value(),
            3u);
  EXPECT_EQ(
      CountItemsJson(R"({"resource_logs":[{"scope_logs":[{"log_records":[{},{}]}]}]})").value(),
      2u);
  EXPECT_EQ(CountItemsJson("{}").value(), 0u);
  for (const char* bad : {"", "[]", "{", "\x0a\x05"}) {
    EXPECT_FALSE(CountItemsJson(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace narthex::otlp
