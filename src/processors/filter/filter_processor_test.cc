#include "processors/filter/filter_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/json.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;

constexpr std::string_view kRequest = R"({"resourceMetrics":[
  {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
   "scopeMetrics":[{"scope":{"name":"lib"},"metrics":[
    {"name":"a","gauge":{"dataPoints":[
      {"asInt":"1","attributes":[{"key":"k","value":{"stringValue":"x"}}]},
      {"asInt":"2","attributes":[{"key":"k","value":{"stringValue":"y"}}]}]}},
    {"name":"b","summary":{"dataPoints":[{"count":"3"}]}}]}]},
  {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"bank"}}]},
   "scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[{"asInt":"4"}]}}]}]}]})";

class FilterProcessorTest : public testing::Test {
 protected:
  // The points that are left, as "service:metric×points …".
  std::string Left(std::string_view yaml) {
    const auto processor = host_.Make(&FilterProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "") << yaml;
    EXPECT_TRUE(processor->Consume(*otlp::DecodeMetricsJson(kRequest)).has_value());
    EXPECT_EQ(host_.Imbalance(), 0);
    if (next_.sizes().empty()) return "";
    const otlp::Batch batch = next_.Take();
    std::string out;
    for (const otlp::ResourceMetrics& resource : batch.resources) {
      for (const otlp::Scope& scope : batch.ScopesOf(resource)) {
        for (const otlp::Metric& metric : batch.MetricsOf(scope)) {
          const auto service = otlp::FindAttribute(resource.attributes, "service.name");
          out += fmt::format("{}:{}x{} ", otlp::Text(*service), metric.name, metric.point_count);
        }
      }
    }
    return out;
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&FilterProcessor::Create, yaml, next_);
    return host_.errors();
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
};

TEST_F(FilterProcessorTest, WithoutConditionsEverythingStays) {
  EXPECT_EQ(Left(""), "shop:ax2 shop:bx1 bank:ax1 ");
}

TEST_F(FilterProcessorTest, IncludeAndExclude) {
  EXPECT_EQ(Left("metrics: {include: {match_type: strict, metric_names: [a]}}"),
            "shop:ax2 bank:ax1 ");
  EXPECT_EQ(Left("metrics: {exclude: {match_type: regexp, metric_names: ['^a']}}"), "shop:bx1 ");
}

TEST_F(FilterProcessorTest, ConditionsDropAtTheirLevel) {
  EXPECT_EQ(Left("metrics: {metric: ['name == \"a\"']}"), "shop:bx1 ");
  EXPECT_EQ(Left("metrics: {datapoint: ['attributes[\"k\"] == \"x\"']}"),
            "shop:ax1 shop:bx1 bank:ax1 ");
  EXPECT_EQ(Left("metrics: {resource: ['attributes[\"service.name\"] == \"shop\"']}"), "bank:ax1 ");
  EXPECT_EQ(Left("metric_conditions: ['datapoint.attributes[\"k\"] != nil and metric.name == "
                 "\"a\"', 'resource.attributes[\"service.name\"] == \"bank\"']"),
            "shop:bx1 ");
  EXPECT_EQ(Left("metric_conditions: ['scope.name == \"lib\"']"), "bank:ax1 ");
  EXPECT_EQ(Left("metric_conditions:\n"
                 "  - {context: datapoint, conditions: ['attributes[\"k\"] == \"y\"']}"),
            "shop:ax1 shop:bx1 bank:ax1 ");
  EXPECT_EQ(Left("metrics: {metric: ['HasAttrKeyOnDatapoint(\"k\")']}"), "shop:bx1 bank:ax1 ");
}

TEST_F(FilterProcessorTest, ConditionsSeeValues) {
  EXPECT_EQ(Left("metrics: {datapoint: ['value_int >= 2']}"), "shop:ax1 shop:bx1 ");
  EXPECT_EQ(Left("metric_conditions: ['datapoint.count == 3', 'datapoint.value_int * 2 == 2']"),
            "shop:ax1 bank:ax1 ");
}

TEST_F(FilterProcessorTest, WhatCannotBeAnsweredIsFalseOrRefused) {
  EXPECT_EQ(Left("metric_conditions: ['Substring(metric.name, 5, 1) == \"x\"']"),
            "shop:ax2 shop:bx1 bank:ax1 ");
  const auto processor = host_.Make(
      &FilterProcessor::Create,
      "{error_mode: propagate, metric_conditions: ['Substring(metric.name, 5, 1) == \"x\"']}",
      next_);
  const base::Status status = processor->Consume(*otlp::DecodeMetricsJson(kRequest));
  EXPECT_EQ(status.error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(FilterProcessorTest, NothingLeftIsNothingSent) {
  EXPECT_EQ(Left("metric_conditions: ['true']"), "");
  EXPECT_EQ(host_.Count("otelcol_processor_filter_datapoints_filtered"), 4);
  EXPECT_EQ(host_.Count("narthex_points_lost", "filtered"), 4);
}

TEST_F(FilterProcessorTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("metric_conditions: ['nam == \"a\"']"),
              HasSubstr("test.yaml:1:21: condition: column 1: unknown path"));
  EXPECT_THAT(Errors("metrics: {metric: ['datapoint.attributes[\"k\"] == 1']}"),
              HasSubstr("needs more than its context has"));
  EXPECT_THAT(Errors("metrics: {include: {match_type: strict, metric_names: [a]}, metric: "
                     "['name == \"a\"']}"),
              HasSubstr("together with conditions"));
  EXPECT_THAT(Errors("metric_conditions: ['exemplar.int_value == 1']"),
              HasSubstr("needs more than its context has"));
  EXPECT_THAT(Errors("metric_conditions: [{context: exemplar, conditions: ['int_value == 1']}]"),
              HasSubstr("context: must be"));
  EXPECT_THAT(Errors("error_mode: loud"), HasSubstr("ignore, propagate or silent"));
  EXPECT_THAT(Errors("metric_condition: []"), HasSubstr("did you mean"));
}

TEST(FilterProcessor, KeepsTheContract) {
  pipeline::ExpectProcessorContract(
      &FilterProcessor::Create,
      "metric_conditions: ['datapoint.attributes[\"series\"] == \"1\"', 'metric.name == \"x\"']");
}

}  // namespace
}  // namespace narthex::processors
