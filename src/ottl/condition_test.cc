#include "ottl/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/json.h"

namespace narthex::ottl {
namespace {

using testing::HasSubstr;

constexpr std::string_view kRequest = R"({"resourceMetrics":[
  {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
   "scopeMetrics":[{"scope":{"name":"lib","version":"2"},"metrics":[
    {"name":"http.duration","unit":"ms","sum":{"aggregationTemporality":2,"isMonotonic":true,
     "dataPoints":[{"asInt":"1","timeUnixNano":"5","attributes":[
      {"key":"code","value":{"intValue":"404"}},{"key":"path","value":{"stringValue":"/a\"b"}},
      {"key":"ratio","value":{"doubleValue":0.5}},{"key":"ok","value":{"boolValue":true}}]}]}}]}]}]})";

bool Holds(std::string_view text, Level level = Level::kMetric) {
  static const otlp::Batch batch = *otlp::DecodeMetricsJson(kRequest);
  const auto condition = Condition::Parse(text, level);
  EXPECT_TRUE(condition.has_value()) << text << ": " << condition.error().message;
  Subject subject(&batch, &batch.resources[0], &batch.scopes[0], &batch.metrics[0],
                  &batch.numbers[0]);
  return condition.has_value() && condition->Holds(subject);
}
std::string Error(std::string_view text) {
  const auto condition = Condition::Parse(text);
  return condition.has_value() ? "" : condition.error().message;
}

TEST(Condition, WhatHolds) {
  for (const std::string_view text : {
           R"(metric.name == "http.duration")",
           R"(name == "http.duration" and unit != "s")",
           R"(IsMatch(metric.name, "^http\..*"))",
           R"(IsMatch(datapoint.attributes["code"], "^4\\d\\d$"))",
           R"(IsMatch(name, "dur") == true)",
           R"(resource.attributes["service.name"] == "shop")",
           R"(datapoint.attributes["code"] >= 400 and datapoint.attributes["code"] < 404.5)",
           R"(datapoint.attributes["path"] == "/a\"b")",
           R"(datapoint.attributes["ratio"] == 0.5)",
           R"(datapoint.attributes["ok"] == true)",
           R"(datapoint.attributes["none"] == nil)",
           R"(datapoint.attributes["code"] != nil)",
           R"(datapoint.attributes["code"] != "404")",
           R"(not (name == "x" or false) and true)",
           R"(name == "x" or name == "y" or scope.name == "lib")",
           R"(metric.type == METRIC_DATA_TYPE_SUM and is_monotonic == true)",
           R"(aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE)",
           R"(HasAttrKeyOnDatapoint("code") and HasAttrOnDatapoint("path", "/a\"b"))",
           R"(scope.version > "1")",
           R"(-1 < 0)",
           R"(datapoint.value_int + 1 == 2 and datapoint.value_double == nil)",
           R"((datapoint.value_int * 4 - 2) / 2 == 1.0)",
           R"(datapoint.flags == 0 and datapoint.time_unix_nano == 5)",
           R"(IsInt(datapoint.attributes["code"]) and Len(metric.name) == 13)",
           R"(Split(metric.name, ".")[1] == "duration")",
           R"(datapoint.count == nil)",
       }) {
    EXPECT_TRUE(Holds(text)) << text;
  }
}

TEST(Condition, WhatDoesNot) {
  for (const std::string_view text : {
           R"(metric.name == "other")",
           R"(datapoint.attributes["code"] == "404")",
           R"(datapoint.attributes["none"] > 1)",
           R"(IsMatch(datapoint.attributes["none"], ".*"))",
           R"(HasAttrKeyOnDatapoint("none"))",
           R"(HasAttrOnDatapoint("code", "404"))",
           R"(not true)",
           R"(true and not (name != "x"))",
       }) {
    EXPECT_FALSE(Holds(text)) << text;
  }
}

TEST(Condition, PathsWithoutAPrefixBelongToTheLevel) {
  EXPECT_TRUE(Holds(R"(attributes["code"] == 404)", Level::kDatapoint));
  EXPECT_TRUE(Holds(R"(attributes["service.name"] == "shop")", Level::kResource));
}

TEST(Condition, KnowsItsLevel) {
  EXPECT_EQ(Condition::Parse(R"(resource.attributes["a"] == "b")")->level(), Level::kResource);
  EXPECT_EQ(Condition::Parse(R"(name == "b")")->level(), Level::kMetric);
  EXPECT_EQ(Condition::Parse(R"(name == "b" and datapoint.attributes["a"] == 1)")->level(),
            Level::kDatapoint);
}

TEST(Condition, MistakesHaveAPlace) {
  EXPECT_EQ(Error(""), "column 1: unexpected end");
  EXPECT_EQ(Error("name = \"x\""), "column 1: a condition has to compare this with something");
  EXPECT_EQ(Error("name == "), "column 9: unexpected end");
  EXPECT_EQ(Error("name == \"x"), "column 9: text without an end");
  EXPECT_EQ(Error("nama == \"x\""), "column 1: unknown path \"nama\"");
  EXPECT_EQ(Error("true and Frob(1)"), "column 10: unknown function \"Frob\"");
  EXPECT_EQ(Error("(true"), "column 6: expected )");
  EXPECT_EQ(Error("true true"), "column 6: unexpected text");
  EXPECT_EQ(Error("1x == 2"), "column 1: not a number");
  EXPECT_THAT(Error("IsMatch(name, \"(\")"), HasSubstr("column 15: missing"));
  EXPECT_THAT(Error(std::string(1000, '(')), HasSubstr("nesting is too deep"));
}

}  // namespace
}  // namespace narthex::ottl
