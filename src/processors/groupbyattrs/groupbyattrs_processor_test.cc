#include "processors/groupbyattrs/groupbyattrs_processor.h"

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
  {"resource":{"attributes":[{"key":"r","value":{"stringValue":"1"}}]},"scopeMetrics":[{"metrics":[
   {"name":"a","gauge":{"dataPoints":[
    {"asInt":"1","attributes":[{"key":"host","value":{"stringValue":"x"}},
                               {"key":"k","value":{"intValue":"1"}}]},
    {"asInt":"2","attributes":[{"key":"host","value":{"stringValue":"y"}}]}]}}]}]},
  {"resource":{"attributes":[{"key":"r","value":{"stringValue":"1"}}]},"scopeMetrics":[{"metrics":[
   {"name":"a","gauge":{"dataPoints":[
    {"asInt":"3","attributes":[{"key":"host","value":{"stringValue":"x"}}]}]}}]}]}]})";

class GroupByAttrsTest : public testing::Test {
 protected:
  otlp::Batch Sent(std::string_view yaml) {
    const auto processor = host_.Make(&GroupByAttrsProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(processor->Consume(*otlp::DecodeMetricsJson(kRequest)).has_value());
    EXPECT_EQ(host_.Imbalance(), 0);
    return next_.Take();
  }
  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
};

TEST(GroupByAttrs, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&GroupByAttrsProcessor::Create, "keys: [series]");
}

TEST_F(GroupByAttrsTest, MovesKeysToTheResource) {
  const otlp::Batch batch = Sent("keys: [host, none]");
  ASSERT_EQ(batch.resources.size(), 2u);
  EXPECT_EQ(otlp::Text(*otlp::FindAttribute(batch.resources[0].attributes, "host")), "x");
  EXPECT_EQ(otlp::Text(*otlp::FindAttribute(batch.resources[1].attributes, "host")), "y");
  EXPECT_EQ(batch.metrics[0].point_count, 2u);
  EXPECT_FALSE(otlp::FindAttribute(batch.numbers[0].attributes, "host").has_value());
  EXPECT_TRUE(otlp::FindAttribute(batch.numbers[0].attributes, "k").has_value());
}

TEST_F(GroupByAttrsTest, WithoutKeysItJoinsWhatIsEqual) {
  const otlp::Batch batch = Sent("{}");
  EXPECT_EQ(batch.resources.size(), 1u);
  EXPECT_EQ(batch.metrics.size(), 1u);
  EXPECT_EQ(batch.metrics[0].point_count, 3u);
}

TEST_F(GroupByAttrsTest, MistakesInItsConfiguration) {
  (void)host_.Make(&GroupByAttrsProcessor::Create, "keys: [a, a]", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("test.yaml:1:7: keys: must be different"));
  (void)host_.Make(&GroupByAttrsProcessor::Create, "kees: [a]", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::processors
