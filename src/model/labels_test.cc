#include "model/labels.h"

#include <gtest/gtest.h>

namespace narthex::model {
namespace {

Labels Make(std::vector<Label> labels) { return *Labels::From(std::move(labels)); }

TEST(Labels, SortsAndDropsEmptyValues) {
  const Labels labels = Make({{"b", "2"}, {"a", "1"}, {"c", ""}, {"__name__", "m"}});
  EXPECT_EQ(labels.ToString(), R"(m{a="1", b="2"})");
  EXPECT_EQ(labels.Get("b"), "2");
  EXPECT_EQ(labels.Get("c"), "");
  EXPECT_EQ(labels.size(), 3u);
}

TEST(Labels, RefusesRepeatedNames) {
  EXPECT_FALSE(Labels::From({{"a", "1"}, {"a", "2"}}).has_value());
  EXPECT_FALSE(Labels::From({{"", "1"}}).has_value());
}

TEST(Labels, OrdersByNameThenValue) {
  EXPECT_LT(Make({{"a", "1"}}), Make({{"a", "2"}}));
  EXPECT_LT(Make({{"a", "9"}}), Make({{"b", "1"}}));
  EXPECT_LT(Make({{"a", "1"}}), Make({{"a", "1"}, {"b", "1"}}));
  // A longer name is encoded with a larger length byte, which must not decide.
  EXPECT_LT(Make({{"aaaa", "1"}}), Make({{"b", "1"}}));
  EXPECT_EQ(Make({{"a", "1"}}).hash(), Make({{"a", "1"}, {"b", ""}}).hash());
}

TEST(Labels, PrintsUnusualNames) {
  EXPECT_EQ(Make({{"__name__", "my.metric"}, {"a.b", "x\"\n"}}).ToString(),
            R"({"my.metric", "a.b"="x\"\n"})");
  EXPECT_EQ(Labels().ToString(), "{}");
}

TEST(Quoted, ShowsWhatCannotBeSeen) {
  const auto quoted = [](std::string_view text) {
    std::string out;
    AppendQuoted(out, text);
    return out;
  };
  EXPECT_EQ(quoted("a\"\\\n\t"), R"("a\"\\\n\t")");
  EXPECT_EQ(quoted(std::string_view("\0\x7f", 2)), R"("\x00\x7f")");
  EXPECT_EQ(quoted("a\xc5z"), R"("a\xc5z")");  // Not UTF-8.
  EXPECT_EQ(quoted("\xe4\xb8"), R"("\xe4\xb8")");
  EXPECT_EQ(quoted("straße 中 🙂"), "\"straße 中 🙂\"");
  EXPECT_EQ(quoted("\u200b\u00a0\ufeff\U000e0001"), R"("\u200b\u00a0\ufeff\U000e0001")");
}

TEST(Labels, KeepsLongValues) {
  const std::string value(300, 'v');
  const Labels labels = Make({{"a", value}, {"b", "2"}});
  EXPECT_EQ(labels.Get("a"), value);
  EXPECT_EQ(labels.Get("b"), "2");
}

TEST(LabelsBuilder, EditsACopy) {
  LabelsBuilder builder(Make({{"a", "1"}, {"b", "2"}}));
  builder.Set("c", "3");
  builder.Set("a", "");
  builder.Delete("absent");
  EXPECT_EQ(builder.Build(), Make({{"b", "2"}, {"c", "3"}}));
}

TEST(Utf8, KnowsValidSequences) {
  for (const char* text : {"", "plain", "é", "\xF0\x9F\x98\x80"}) EXPECT_TRUE(IsValidUtf8(text));
  for (const char* text :
       {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "a\xE2\x82"}) {
    EXPECT_FALSE(IsValidUtf8(text));
  }
}

}  // namespace
}  // namespace narthex::model
