#include "processors/transform/transform_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/encode.h"
#include "otlp/json.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kRequest = R"({"resourceMetrics":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[
   {"name":"a","gauge":{"dataPoints":[
    {"asInt":"1","attributes":[{"key":"k","value":{"stringValue":"x"}}]},
    {"asInt":"2","attributes":[{"key":"k","value":{"stringValue":"y"}}]}]}},
   {"name":"b","sum":{"dataPoints":[{"asInt":"3"}]}}]}]}]})";

class TransformProcessorTest : public testing::Test {
 protected:
  base::Status Send(std::string_view yaml) {
    const auto processor = host_.Make(&TransformProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "") << yaml;
    base::Status status = processor->Consume(*otlp::DecodeMetricsJson(kRequest));
    EXPECT_EQ(host_.Imbalance(), 0);
    return status;
  }
  std::string Sent(std::string_view yaml) {
    EXPECT_TRUE(Send(yaml).has_value());
    return otlp::EncodeMetricsJson(next_.Take());
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&TransformProcessor::Create, yaml, next_);
    return host_.errors();
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
};

TEST(TransformProcessor, KeepsTheContract) {
  pipeline::ExpectProcessorContract(
      &TransformProcessor::Create,
      "metric_statements: ['set(datapoint.attributes[\"a\"], metric.name)', "
      "'extract_count_metric(true) where metric.type == METRIC_DATA_TYPE_HISTOGRAM']");
}

TEST_F(TransformProcessorTest, WithoutStatementsBytesStay) {
  EXPECT_TRUE(Send("").has_value());
  EXPECT_EQ(otlp::EncodeMetrics(next_.Take()), *otlp::ProtobufFromJson(kRequest));
}

TEST_F(TransformProcessorTest, StatementsRunInOrderAtTheirLevels) {
  const std::string sent = Sent(
      "metric_statements:\n"
      "  - set(resource.attributes[\"env\"], \"test\")\n"
      "  - set(metric.name, Concat([metric.name, resource.attributes[\"env\"]], \".\"))\n"
      "  - set(datapoint.attributes[\"m\"], metric.name) where datapoint.value_int == 2\n");
  EXPECT_THAT(sent, HasSubstr(R"("name":"a.test")"));
  EXPECT_THAT(sent, HasSubstr(R"({"key":"m","value":{"stringValue":"a.test"}})"));
  EXPECT_THAT(sent, Not(HasSubstr(R"({"key":"m","value":{"stringValue":"b.test"}})")));
}

TEST_F(TransformProcessorTest, GroupsHaveAContextAndConditions) {
  const std::string sent = Sent(
      "metric_statements:\n"
      "  - context: datapoint\n"
      "    conditions: ['metric.name == \"x\"', 'attributes[\"k\"] == \"y\"']\n"
      "    statements: ['set(attributes[\"chosen\"], true)', 'delete_key(attributes, \"k\")']\n");
  EXPECT_THAT(
      sent,
      HasSubstr(R"({"attributes":[{"key":"chosen","value":{"boolValue":true}}],"asInt":"2"})"));
  EXPECT_THAT(sent, HasSubstr(R"({"key":"k","value":{"stringValue":"x"}})"));
}

TEST_F(TransformProcessorTest, WhatCountsTheBatchsMemoryGoesWithIt) {
  const auto processor = host_.Make(&TransformProcessor::Create,
                                    "metric_statements: ['set(metric.unit, \"u\")']", next_);
  const auto lease = std::make_shared<const std::string>();
  otlp::Batch batch = *otlp::DecodeMetricsJson(kRequest);
  batch.buffers.push_back(lease);
  ASSERT_TRUE(processor->Consume(std::move(batch)).has_value());
  EXPECT_EQ(lease.use_count(), 2);
  (void)next_.Take();
  EXPECT_EQ(lease.use_count(), 1);
}

TEST_F(TransformProcessorTest, ExemplarsAreChangedOneByOne) {
  const auto processor =
      host_.Make(&TransformProcessor::Create,
                 "metric_statements:\n"
                 "  - set(exemplar.filtered_attributes[\"k\"], datapoint.attributes[\"k\"]) where "
                 "exemplar.trace_id == TraceID(\"000102030405060708090a0b0c0d0e0f\")\n"
                 "  - context: exemplar\n"
                 "    conditions: ['int_value == 2']\n"
                 "    statements: ['delete_key(filtered_attributes, \"user\")']\n",
                 next_);
  ASSERT_EQ(host_.errors(), "");
  ASSERT_TRUE(processor->Consume(*otlp::DecodeMetricsJson(
      R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[
        {"asInt":"1","attributes":[{"key":"k","value":{"stringValue":"x"}}],"exemplars":[
          {"asInt":"1","traceId":"000102030405060708090a0b0c0d0e0f"},
          {"asInt":"2","filteredAttributes":[{"key":"user","value":{"stringValue":"ann"}}]}]},
        {"asInt":"2"}]}}]}]}]})")));
  EXPECT_THAT(
      otlp::EncodeMetricsJson(next_.Take()),
      HasSubstr(R"("exemplars":[{"filteredAttributes":[{"key":"k","value":{"stringValue":"x"}}],)"
                R"("asInt":"1","traceId":"000102030405060708090a0b0c0d0e0f"},{"asInt":"2"}])"));
}

TEST_F(TransformProcessorTest, AddedMetricsCount) {
  EXPECT_TRUE(Send("metric_statements: ['copy_metric(name=\"c\") where metric.name == \"a\"']")
                  .has_value());
  EXPECT_EQ(next_.point_count(), 5u);
}

TEST_F(TransformProcessorTest, ErrorsAsTheModeSays) {
  const std::string bad = "metric_statements: ['set(metric.name, 5)', 'set(metric.unit, \"u\")']";
  EXPECT_EQ(Send("error_mode: propagate\n" + bad).error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(host_.Count("narthex_points_lost", "processing_failed"), 3);
  EXPECT_THAT(Sent(bad), HasSubstr(R"("unit":"u")"));
  EXPECT_THAT(Sent("error_mode: ignore\n" + bad), HasSubstr(R"("unit":"u")"));
  EXPECT_THAT(Sent("error_mode: silent\n" + bad), HasSubstr(R"("unit":"u")"));
}

TEST_F(TransformProcessorTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("metric_statements: ['set(nam, \"a\")']"),
              HasSubstr("test.yaml:1:21: statement: column 5: unknown path"));
  EXPECT_THAT(Errors("metric_statements: [{context: metric, statements: "
                     "['set(datapoint.flags, 1)']}]"),
              HasSubstr("needs more than its context has"));
  EXPECT_THAT(Errors("metric_statements: [{context: span}]"), HasSubstr("context: must be"));
  // Points do not outlive what is done to their metric.
  EXPECT_THAT(Errors("metric_statements: [{context: datapoint, statements: "
                     "['aggregate_on_attributes(\"sum\", [])', 'set(attributes[\"a\"], 1)']}]"),
              HasSubstr("statements: what changes whole metrics cannot stand beside"));
  EXPECT_THAT(Errors("error_mode: loud"), HasSubstr("ignore, propagate or silent"));
  EXPECT_THAT(Errors("metric_statement: []"), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::processors
