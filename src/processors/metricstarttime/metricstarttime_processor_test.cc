#include "processors/metricstarttime/metricstarttime_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/testing/contract.h"
#include "pipeline/testing/one_metric.h"

namespace narthex::processors {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;

class MetricStartTimeTest : public pipeline::OneMetricTest<&MetricStartTimeProcessor::Create> {
 protected:
  // A point of the counter "s" at so many seconds.
  std::optional<otlp::TreePoint> SendSum(int64_t time_s, int64_t value, int flags = 0,
                                         int64_t start_ns = 0) {
    return PointOf(Send(fmt::format(
        R"({{"name":"s","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
        {{"startTimeUnixNano":"{}","timeUnixNano":"{}","flags":{},"asInt":"{}"}}]}}}})",
        start_ns, time_s * kSecond, flags, value)));
  }
  std::optional<otlp::TreePoint> SendHistogram(int64_t time_s, int first, int second) {
    return PointOf(Send(fmt::format(
        R"({{"name":"h","histogram":{{"aggregationTemporality":2,"dataPoints":[{{
        "timeUnixNano":"{}","count":"{}","sum":{},"bucketCounts":["{}","{}"],
        "explicitBounds":[10]}}]}}}})",
        time_s * kSecond, first + second, first + second, first, second)));
  }
  std::optional<otlp::TreePoint> SendExponential(int64_t time_s, int offset, int first,
                                                 int second) {
    return PointOf(Send(fmt::format(
        R"({{"name":"e","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{
        "timeUnixNano":"{}","count":"{}","scale":1,
        "positive":{{"offset":{},"bucketCounts":["{}","{}"]}}}}]}}}})",
        time_s * kSecond, first + second, offset, first, second)));
  }
  static std::optional<otlp::TreePoint> PointOf(std::optional<otlp::TreeMetric> metric) {
    if (!metric.has_value()) return std::nullopt;
    return metric->points[0];
  }
  std::string Errors(std::string_view yaml) {
    (void)host_.Make(&MetricStartTimeProcessor::Create, yaml, next_);
    return host_.errors();
  }
};

TEST(MetricStartTime, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&MetricStartTimeProcessor::Create, "");
  pipeline::ExpectProcessorContract(&MetricStartTimeProcessor::Create,
                                    "strategy: subtract_initial_point");
}

TEST_F(MetricStartTimeTest, TheFirstPointIsTheReset) {
  Make("");
  EXPECT_EQ(SendSum(10, 5)->start_ns, 10u * kSecond);
  EXPECT_EQ(SendSum(20, 7)->start_ns, 10u * kSecond);
  EXPECT_EQ(SendSum(30, 7)->whole, 7);
  const auto reset = SendSum(40, 2);
  EXPECT_EQ(reset->start_ns, 40u * kSecond - 1'000'000);
  EXPECT_EQ(reset->whole, 2);
  EXPECT_EQ(SendSum(50, 3)->start_ns, 40u * kSecond - 1'000'000);
}

TEST_F(MetricStartTimeTest, WhatSaysSinceWhenIsLeftAlone) {
  Make("");
  EXPECT_EQ(SendSum(10, 5, 0, 3)->start_ns, 3u);
  EXPECT_EQ(SendSum(20, 5)->start_ns, 20u * kSecond) << "and makes no stream";
}

TEST_F(MetricStartTimeTest, TheEndOfAStreamKeepsItsStart) {
  Make("");
  EXPECT_EQ(SendSum(5, 0, 1)->start_ns, 0u);
  EXPECT_EQ(SendSum(10, 5)->start_ns, 10u * kSecond);
  EXPECT_EQ(SendSum(20, 0, 1)->start_ns, 10u * kSecond);
  EXPECT_EQ(SendSum(30, 6)->start_ns, 10u * kSecond);
}

TEST_F(MetricStartTimeTest, TheFirstPointIsSubtracted) {
  Make("strategy: subtract_initial_point");
  EXPECT_FALSE(SendSum(10, 5).has_value());
  const auto second = SendSum(20, 7);
  EXPECT_EQ(second->start_ns, 10u * kSecond);
  EXPECT_EQ(second->whole, 2);
  const auto reset = SendSum(30, 6);
  EXPECT_EQ(reset->whole, 6) << "a new beginning counts from nothing";
  EXPECT_EQ(SendSum(40, 8)->whole, 8);
}

TEST_F(MetricStartTimeTest, HistogramsLoseWhatTheFirstOneCounted) {
  Make("strategy: subtract_initial_point");
  EXPECT_FALSE(SendHistogram(10, 1, 2).has_value());
  const auto second = SendHistogram(20, 4, 2);
  EXPECT_EQ(second->count, 3u);
  EXPECT_EQ(second->optionals.sum, 3);
  EXPECT_THAT(second->bucket_counts, ElementsAre(3, 0));
  // The second bucket has become less.
  EXPECT_THAT(SendHistogram(30, 9, 1)->bucket_counts, ElementsAre(9, 1));
}

TEST_F(MetricStartTimeTest, ExponentialBucketsAreComparedByTheirIndex) {
  Make("strategy: subtract_initial_point");
  EXPECT_FALSE(SendExponential(10, 2, 1, 2).has_value());
  const auto second = SendExponential(20, 1, 5, 1);
  EXPECT_THAT(second->positive.counts, ElementsAre(5, 1)) << "bucket 3 is gone: a reset";
  EXPECT_THAT(SendExponential(30, 1, 6, 1)->positive.counts, ElementsAre(6, 1));
}

TEST_F(MetricStartTimeTest, AnotherMetricSaysSinceWhen) {
  Make("{strategy: start_time_metric, start_time_metric_regex: '^.*_start_time$'}");
  const std::string request =
      R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[
      {"name":"s","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
        {"timeUnixNano":"90000000000","asInt":"5"}]}},
      {"name":"my_start_time","gauge":{"dataPoints":[{"timeUnixNano":"1","asDouble":12.5}]}}
      ]}]}]})";
  ASSERT_TRUE(processor_->Consume(*otlp::DecodeMetricsJson(request)).has_value());
  const otlp::Tree tree = otlp::Tree::From(next_.Take());
  EXPECT_EQ(tree.resources[0].scopes[0].metrics[0].points[0].start_ns, 12'500'000'000u);
}

TEST_F(MetricStartTimeTest, WithoutThatMetricItIsSinceWeBegan) {
  Make("strategy: start_time_metric");
  EXPECT_EQ(SendSum(10, 5)->start_ns, static_cast<uint64_t>(host_.clock().WallNs()));
}

TEST_F(MetricStartTimeTest, StreamsAreForgotten) {
  Make("gc_interval: 10s");
  EXPECT_EQ(SendSum(10, 5)->start_ns, 10u * kSecond);
  host_.clock().AdvanceMs(10'000);
  SendHistogram(20, 1, 1);
  host_.clock().AdvanceMs(10'000);
  EXPECT_EQ(SendSum(30, 7)->start_ns, 30u * kSecond);
}

TEST_F(MetricStartTimeTest, MistakesInItsConfiguration) {
  EXPECT_THAT(Errors("strategy: guess"), HasSubstr("not a valid strategy"));
  EXPECT_THAT(Errors("gc_interval: 0s"), HasSubstr("must be positive"));
  EXPECT_THAT(Errors("{strategy: start_time_metric, start_time_metric_regex: '('}"),
              HasSubstr("missing )"));
  EXPECT_THAT(Errors("start_time_metric_regex: a"), HasSubstr("only goes with"));
}

}  // namespace
}  // namespace narthex::processors
