#include "processors/interval/interval_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/json.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;

// One point of each kind of metric; `time` and `value` of the sum are the caller's.
std::string Request(int time, int value) {
  return fmt::format(
      R"({{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[
      {{"name":"s","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
        {{"timeUnixNano":"{0}","asInt":"{1}"}}]}}}},
      {{"name":"d","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
        {{"timeUnixNano":"{0}","asInt":"{1}"}}]}}}},
      {{"name":"u","sum":{{"aggregationTemporality":2,"dataPoints":[
        {{"timeUnixNano":"{0}","asInt":"{1}"}}]}}}},
      {{"name":"g","gauge":{{"dataPoints":[{{"timeUnixNano":"{0}","asInt":"{1}"}}]}}}},
      {{"name":"q","summary":{{"dataPoints":[{{"timeUnixNano":"{0}","count":"{1}"}}]}}}}]}}]}}]}})",
      time, value);
}

class IntervalProcessorTest : public testing::Test {
 protected:
  void Make(std::string_view yaml) {
    processor_ = host_.Make(&IntervalProcessor::Create, yaml, next_);
    EXPECT_EQ(host_.errors(), "");
    ASSERT_TRUE(processor_->Start().has_value());
  }
  void Send(int time, int value) {
    EXPECT_TRUE(processor_->Consume(*otlp::DecodeMetricsJson(Request(time, value))).has_value());
  }

  pipeline::TestHost host_;
  pipeline::FakeConsumer next_;
  std::unique_ptr<pipeline::Processor> processor_;
};

TEST(IntervalProcessor, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&IntervalProcessor::Create, "interval: 10s");
}

TEST_F(IntervalProcessorTest, SendsTheLastPointOfEachStreamOncePerInterval) {
  Make("interval: 10ms");
  Send(1, 5);
  EXPECT_THAT(next_.sizes(), testing::ElementsAre(2));  // The delta, and the sum that may fall.
  EXPECT_EQ(host_.Count("narthex_points_waiting"), 3);
  Send(3, 7);
  Send(2, 6);
  host_.clock().AdvanceMs(10);
  ASSERT_TRUE(next_.WaitForPoints(9));
  processor_->Stop();
  const otlp::Batch batch = next_.Take();
  EXPECT_EQ(batch.metrics[0].name, "s");
  EXPECT_EQ(batch.numbers[0].Int(), 7);
  EXPECT_EQ(host_.Count("narthex_points_lost", "superseded"), 6);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(IntervalProcessorTest, PassesWhatItIsToldTo) {
  Make("pass_through: {gauge: true, summary: true}");
  Send(1, 5);
  EXPECT_THAT(next_.sizes(), testing::ElementsAre(4));
}

TEST_F(IntervalProcessorTest, StopSendsWhatIsKept) {
  Make("");
  Send(1, 5);
  processor_->Stop();
  EXPECT_EQ(next_.point_count(), 5u);
  EXPECT_EQ(host_.Count("narthex_points_waiting"), 0);
  EXPECT_FALSE(processor_->Consume(pipeline::GaugeBatch(1)).has_value());
}

TEST_F(IntervalProcessorTest, MistakesInItsConfiguration) {
  (void)host_.Make(&IntervalProcessor::Create, "interval: 0s", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("test.yaml:1:11: interval: must be positive"));
  (void)host_.Make(&IntervalProcessor::Create, "pass_through: {gauges: true}", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::processors
