#include "processors/deltatocumulative/deltatocumulative_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/testing/contract.h"
#include "pipeline/testing/one_metric.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;

class DeltaToCumulativeTest : public pipeline::OneMetricTest<&DeltaToCumulativeProcessor::Create> {
 protected:
  std::optional<otlp::TreeMetric> SendSum(int64_t start, int64_t time, int64_t value,
                                          std::string_view series = "a") {
    return Send(fmt::format(
        R"({{"name":"s","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
        {{"startTimeUnixNano":"{}","timeUnixNano":"{}","asInt":"{}","attributes":[
        {{"key":"k","value":{{"stringValue":"{}"}}}}]}}]}}}})",
        start, time, value, series));
  }
};

TEST(DeltaToCumulative, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&DeltaToCumulativeProcessor::Create, "");
}

TEST_F(DeltaToCumulativeTest, AddsUpPerStream) {
  Make("");
  EXPECT_EQ(SendSum(1, 2, 5)->points[0].whole, 5);
  EXPECT_EQ(SendSum(1, 2, 50, "b")->points[0].whole, 50);
  const auto metric = SendSum(2, 3, 7);
  EXPECT_EQ(metric->temporality, otlp::Temporality::kCumulative);
  EXPECT_EQ(metric->points[0].whole, 12);
  EXPECT_EQ(metric->points[0].start_ns, 1u);
  EXPECT_EQ(metric->points[0].time_ns, 3u);
  EXPECT_EQ(host_.Count("otelcol_deltatocumulative_streams_tracked"), 2);
}

TEST_F(DeltaToCumulativeTest, AddsHistograms) {
  Make("");
  const auto histogram = [&](int time, std::string_view bound) {
    return Send(fmt::format(
        R"({{"name":"h","histogram":{{"aggregationTemporality":1,"dataPoints":[{{
        "timeUnixNano":"{}","count":"3","sum":2,"bucketCounts":["1","2"],
        "explicitBounds":[{}]}}]}}}})",
        time, bound));
  };
  (void)histogram(1, "10");
  EXPECT_EQ(histogram(2, "10")->points[0].bucket_counts, (std::vector<uint64_t>{2, 4}));
  EXPECT_EQ(histogram(3, "20")->points[0].bucket_counts, (std::vector<uint64_t>{1, 2}));
  const auto exponential = [&](int time, int scale) {
    return Send(fmt::format(
        R"({{"name":"e","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{
        "timeUnixNano":"{}","count":"3","scale":{},"positive":{{"bucketCounts":["1","2"]}}}}]}}}})",
        time, scale));
  };
  (void)exponential(1, 1);
  const auto metric = exponential(2, 0);
  EXPECT_EQ(metric->points[0].scale, 0);
  EXPECT_EQ(metric->points[0].positive.counts, (std::vector<uint64_t>{4, 2}));
}

TEST_F(DeltaToCumulativeTest, DropsWhatIsNotYounger) {
  Make("");
  (void)SendSum(1, 5, 5);
  EXPECT_FALSE(SendSum(1, 5, 5).has_value());
  EXPECT_FALSE(SendSum(0, 4, 5).has_value());
  EXPECT_EQ(SendSum(5, 6, 1)->points[0].whole, 6);
  EXPECT_EQ(host_.Count("narthex_points_lost", "out_of_order"), 2);
}

TEST_F(DeltaToCumulativeTest, ForgetsStaleStreams) {
  Make("max_stale: 10s");
  (void)SendSum(1, 2, 5);
  host_.clock().AdvanceMs(11'000);
  EXPECT_EQ(SendSum(2, 3, 7)->points[0].whole, 7);
}

TEST_F(DeltaToCumulativeTest, KeepsToItsLimit) {
  Make("max_streams: 1");
  EXPECT_TRUE(SendSum(1, 2, 5).has_value());
  EXPECT_FALSE(SendSum(1, 2, 5, "b").has_value());
  EXPECT_EQ(SendSum(2, 3, 5)->points[0].whole, 10);
}

TEST_F(DeltaToCumulativeTest, OtherMetricsPass) {
  Make("");
  EXPECT_EQ(Send(R"({"name":"g","gauge":{"dataPoints":[{"asInt":"4"}]}})")->points[0].whole, 4);
}

TEST_F(DeltaToCumulativeTest, MistakesInItsConfiguration) {
  (void)host_.Make(&DeltaToCumulativeProcessor::Create, "max_stale: -1s", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("test.yaml:1:12: max_stale: must be positive"));
  (void)host_.Make(&DeltaToCumulativeProcessor::Create, "max_strems: 1", next_);
  EXPECT_THAT(host_.errors(), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::processors
