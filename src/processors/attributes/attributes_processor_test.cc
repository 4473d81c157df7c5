#include "processors/attributes/attributes_processor.h"

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

constexpr std::string_view kRequest = R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[
    {"name":"a","sum":{"dataPoints":[{"asInt":"1"}]}},
    {"name":"b","histogram":{"dataPoints":[{"count":"2"}]}},
    {"name":"c","exponentialHistogram":{"dataPoints":[{"count":"2"}]}},
    {"name":"d","summary":{"dataPoints":[{"count":"2"}]}}]}]}]})";

class AttributesProcessorTest : public testing::Test {
 protected:
  // What the next stage would send on.
  std::string Run(std::string_view yaml) {
    const auto processor = host_.Make(&AttributesProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "");
    EXPECT_TRUE(processor->Consume(*otlp::DecodeMetricsJson(kRequest)).has_value());
    EXPECT_EQ(host_.Imbalance(), 0);
    return otlp::EncodeMetrics(next_.Take());
  }
  static size_t Occurrences(std::string_view bytes, std::string_view word) {
    size_t count = 0;
    for (size_t at = 0; (at = bytes.find(word, at)) != bytes.npos; at += word.size()) ++count;
    return count;
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
};

TEST_F(AttributesProcessorTest, ReachesPointsOfEveryKind) {
  const std::string sent = Run("actions: [{key: region, action: insert, value: north}]");
  EXPECT_EQ(Occurrences(sent, "region"), 4u);
  const auto batch = otlp::DecodeMetrics(sent);
  EXPECT_EQ(otlp::Text(*otlp::FindAttribute(batch->exponentials[0].attributes, "region")), "north");
}

TEST_F(AttributesProcessorTest, OnlyWhatTheGateLetsThrough) {
  const std::string sent =
      Run("include: {match_type: regexp, metric_names: ['[ab]']}\n"
          "exclude: {match_type: strict, metric_names: [b]}\n"
          "actions: [{key: region, action: insert, value: north}]");
  EXPECT_EQ(Occurrences(sent, "region"), 1u);
}

TEST_F(AttributesProcessorTest, LeavesBytesAloneThatItNeedNotChange) {
  EXPECT_EQ(Run("actions: [{key: region, action: delete}]"), *otlp::ProtobufFromJson(kRequest));
}

TEST_F(AttributesProcessorTest, MistakesInItsConfiguration) {
  (void)host_.Make(&AttributesProcessor::Create, "{}", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("actions: must be a list"));
  (void)host_.Make(&AttributesProcessor::Create, "acsions: []", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("did you mean"));
}

TEST(AttributesProcessor, KeepsTheContract) {
  pipeline::ExpectProcessorContract(
      &AttributesProcessor::Create,
      "actions: [{key: a, action: insert, value: b}, {key: series, action: delete}]");
}

}  // namespace
}  // namespace narthex::processors
