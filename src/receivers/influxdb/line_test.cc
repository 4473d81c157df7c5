#include "receivers/influxdb/line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narthex::receivers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Value = InfluxLine::Value;

std::vector<InfluxLine> Read(std::string_view text) {
  std::vector<InfluxLine> lines;
  InfluxReader reader(text);
  for (;;) {
    auto line = reader.Next();
    EXPECT_TRUE(line.has_value()) << line.error().message;
    if (!line.has_value() || !line->has_value()) return lines;
    lines.push_back(**std::move(line));
  }
}

std::string ErrorOf(std::string_view text) {
  InfluxReader reader(text);
  for (;;) {
    const auto line = reader.Next();
    if (!line.has_value()) return line.error().message;
    if (!line->has_value()) return "";
  }
}

TEST(InfluxLine, HasTagsFieldsAndATime) {
  const auto lines = Read("cpu,host=a,core=7 user=0.5,idle=99i,big=18446744073709551615u,ok=T 17");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].measurement, "cpu");
  EXPECT_THAT(lines[0].tags, ElementsAre(Pair("host", "a"), Pair("core", "7")));
  EXPECT_THAT(lines[0].fields,
              ElementsAre(Pair("user", Value(0.5)), Pair("idle", Value(int64_t{99})),
                          Pair("big", Value(UINT64_MAX)), Pair("ok", Value(true))));
  EXPECT_EQ(lines[0].time, 17);
}

TEST(InfluxLine, BlanksCommentsAndLineEndsArePassedOver) {
  const auto lines = Read("\n# a comment\r\n  a b=1\r\n\n\t\n#\na b=2 -5 \na b=3");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].time, std::nullopt);
  EXPECT_EQ(lines[1].time, -5);
  EXPECT_THAT(lines[2].fields, ElementsAre(Pair("b", Value(3.0))));
  EXPECT_THAT(Read(""), IsEmpty());
  EXPECT_THAT(Read(" \n#x"), IsEmpty());
}

TEST(InfluxLine, Escapes) {
  const auto lines = Read(R"(my\,\ me\asurement,t\ a\=g=v\,\ \= f\ \,\=="say \"hi\" \\ \n, #")");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].measurement, R"(my, me\asurement)");
  EXPECT_THAT(lines[0].tags, ElementsAre(Pair("t a=g", "v, =")));
  EXPECT_THAT(lines[0].fields, ElementsAre(Pair("f ,=", Value(R"(say "hi" \ \n, #)"))));
}

TEST(InfluxLine, TextsMayHoldLineEnds) {
  const auto lines = Read("a b=\"one\ntwo\",c=1 5\na d=2");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0].fields[0], Pair("b", Value("one\ntwo")));
  EXPECT_EQ(ErrorOf("a b=\"one\ntwo\" x"), "line 2: \"x\" is no timestamp");
}

TEST(InfluxLine, Numbers) {
  const auto value = [](std::string text) { return Read("a b=" + text)[0].fields[0].second; };
  EXPECT_EQ(value("-1.5e3"), Value(-1500.0));
  EXPECT_EQ(value("+3"), Value(3.0));
  EXPECT_EQ(value("-9223372036854775808i"), Value(INT64_MIN));
  for (const char* word : {"f", "F", "false", "False", "FALSE"})
    EXPECT_EQ(value(word), Value(false));
}

TEST(InfluxLine, MistakesAreNamedWithTheirLine) {
  EXPECT_EQ(ErrorOf(",a=b c=1"), "line 1: the measurement has no name");
  EXPECT_EQ(ErrorOf("# x\n\nfoo"), "line 3: there are no fields");
  EXPECT_EQ(ErrorOf("foo "), "line 1: a field has no key or no value");
  EXPECT_EQ(ErrorOf("foo,bar a=1"), "line 1: a tag has no key or no value");
  EXPECT_EQ(ErrorOf("foo,bar= a=1"), "line 1: a tag has no value");
  EXPECT_EQ(ErrorOf("foo,bar=a=b c=1"), "line 1: a tag has two values");
  EXPECT_EQ(ErrorOf("foo a="), "line 1: \"\" is no value of a field");
  EXPECT_EQ(ErrorOf("foo a=1,"), "line 1: a field has no key or no value");
  EXPECT_EQ(ErrorOf("foo a=nan"), "line 1: \"nan\" is no value of a field");
  EXPECT_EQ(ErrorOf("foo a=1e999"), "line 1: \"1e999\" is no value of a field");
  EXPECT_EQ(ErrorOf("foo a=0x10"), "line 1: \"0x10\" is no value of a field");
  EXPECT_EQ(ErrorOf("foo a=9223372036854775808i"),
            "line 1: \"9223372036854775808i\" is no value of a field");
  EXPECT_EQ(ErrorOf("foo a=-1u"), "line 1: \"-1u\" is no value of a field");
  EXPECT_EQ(ErrorOf("foo a=\"x"), "line 1: a text does not end");
  EXPECT_EQ(ErrorOf("foo a=1 12x"), "line 1: \"12x\" is no timestamp");
  EXPECT_EQ(ErrorOf("foo a=1 1 2"), "line 1: \"1 2\" is no timestamp");
  EXPECT_EQ(ErrorOf("foo a=\"x\"5"), "line 1: \"5\" is no timestamp");
  EXPECT_EQ(ErrorOf("foo a=1 1.5"), "line 1: \"1.5\" is no timestamp");
}

}  // namespace
}  // namespace narthex::receivers
