#include "processors/cumulativetodelta/cumulativetodelta_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/testing/contract.h"
#include "pipeline/testing/one_metric.h"

namespace narthex::processors {
namespace {

using testing::HasSubstr;

class CumulativeToDeltaTest : public pipeline::OneMetricTest<&CumulativeToDeltaProcessor::Create> {
 protected:
  std::optional<otlp::TreeMetric> SendSum(int64_t time, std::string_view value,
                                          std::string_view name = "s", int64_t start = 1) {
    return Send(fmt::format(
        R"({{"name":"{}","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
        {{"startTimeUnixNano":"{}","timeUnixNano":"{}",{}}}]}}}})",
        name, start, time, value));
  }
  std::optional<otlp::TreeMetric> SendHistogram(int time, int first, int second,
                                                std::string_view bound = "10") {
    return Send(fmt::format(
        R"({{"name":"h","histogram":{{"aggregationTemporality":2,"dataPoints":[{{
        "startTimeUnixNano":"1","timeUnixNano":"{}","count":"{}","sum":{},
        "bucketCounts":["{}","{}"],"explicitBounds":[{}]}}]}}}})",
        time, first + second, first, first, second, bound));
  }
};

TEST(CumulativeToDelta, KeepsTheContract) {
  pipeline::ExpectProcessorContract(&CumulativeToDeltaProcessor::Create, "initial_value: keep");
}

TEST_F(CumulativeToDeltaTest, SubtractsThePointBefore) {
  Make("");
  EXPECT_FALSE(SendSum(2, R"("asInt":"5")").has_value());
  const auto metric = SendSum(3, R"("asInt":"12")");
  EXPECT_EQ(metric->temporality, otlp::Temporality::kDelta);
  EXPECT_EQ(metric->points[0].whole, 7);
  EXPECT_EQ(metric->points[0].start_ns, 2u);
  EXPECT_EQ(SendSum(4, R"("asDouble":12.5)")->points[0].Number(), 0.5);
}

TEST_F(CumulativeToDeltaTest, ResetsOldPointsAndNanAreDropped) {
  Make("initial_value: keep");
  EXPECT_EQ(SendSum(2, R"("asInt":"5")")->points[0].whole, 5);
  EXPECT_FALSE(SendSum(3, R"("asInt":"1")").has_value());
  EXPECT_EQ(SendSum(4, R"("asInt":"3")")->points[0].whole, 2);
  EXPECT_FALSE(SendSum(3, R"("asInt":"4")").has_value());
  EXPECT_FALSE(SendSum(5, R"("asDouble":"NaN")").has_value());
  EXPECT_EQ(SendSum(6, R"("asInt":"4")")->points[0].whole, 1);
}

TEST_F(CumulativeToDeltaTest, TheFirstPointOfAStreamThatBeganWithUs) {
  Make("");
  const int64_t now_ns = host_.clock().WallNs();
  EXPECT_EQ(SendSum(now_ns + 5, R"("asInt":"5")", "s", now_ns + 1)->points[0].whole, 5);
  Make("initial_value: drop");
  EXPECT_FALSE(SendSum(now_ns + 5, R"("asInt":"5")", "s", now_ns + 1).has_value());
}

TEST_F(CumulativeToDeltaTest, Histograms) {
  Make("");
  EXPECT_FALSE(SendHistogram(2, 1, 2).has_value());
  EXPECT_EQ(SendHistogram(3, 2, 5)->points[0].bucket_counts, (std::vector<uint64_t>{1, 3}));
  // Set back: all of it is new.
  EXPECT_EQ(SendHistogram(4, 0, 1)->points[0].bucket_counts, (std::vector<uint64_t>{0, 1}));
  EXPECT_FALSE(SendHistogram(5, 1, 2, "20").has_value());
  EXPECT_EQ(SendHistogram(6, 1, 3, "20")->points[0].count, 1u);
}

TEST_F(CumulativeToDeltaTest, ExponentialHistograms) {
  Make("");
  const auto send = [&](int time, int count, int scale, int offset, std::string_view counts) {
    return Send(fmt::format(
        R"({{"name":"e","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{
        "timeUnixNano":"{}","count":"{}","scale":{},
        "positive":{{"offset":{},"bucketCounts":[{}]}}}}]}}}})",
        time, count, scale, offset, counts));
  };
  EXPECT_FALSE(send(1, 3, 1, 0, R"("1","2")").has_value());
  const auto metric = send(2, 8, 0, -1, R"("2","6")");
  EXPECT_EQ(metric->points[0].positive.counts, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(metric->points[0].count, 5u);
  EXPECT_FALSE(send(3, 2, 0, 0, R"("2")").has_value());
}

TEST_F(CumulativeToDeltaTest, OnlyWhatIsChosen) {
  Make(
      "include: {metrics: ['^s', b], match_type: regexp}\n"
      "exclude: {metrics: [sx], match_type: strict}\ninitial_value: keep");
  EXPECT_EQ(SendSum(2, R"("asInt":"5")", "s1")->temporality, otlp::Temporality::kDelta);
  EXPECT_EQ(SendSum(2, R"("asInt":"5")", "ab")->temporality, otlp::Temporality::kDelta);
  EXPECT_EQ(SendSum(2, R"("asInt":"5")", "sx")->temporality, otlp::Temporality::kCumulative);
  EXPECT_EQ(SendSum(2, R"("asInt":"5")", "xs")->temporality, otlp::Temporality::kCumulative);
  Make("include: {metric_types: [histogram]}\ninitial_value: keep");
  EXPECT_EQ(SendSum(2, R"("asInt":"5")")->temporality, otlp::Temporality::kCumulative);
  EXPECT_EQ(SendHistogram(2, 1, 2)->temporality, otlp::Temporality::kDelta);
}

TEST_F(CumulativeToDeltaTest, ForgetsStaleStreams) {
  Make("max_staleness: 10s");
  EXPECT_FALSE(SendSum(2, R"("asInt":"5")").has_value());
  host_.clock().AdvanceMs(11'000);
  EXPECT_FALSE(SendSum(3, R"("asInt":"9")").has_value());
}

TEST_F(CumulativeToDeltaTest, MistakesInItsConfiguration) {
  const auto errors = [&](std::string_view yaml) {
    (void)host_.Make(&CumulativeToDeltaProcessor::Create, yaml, next_);
    return host_.errors();
  };
  EXPECT_THAT(errors("initial_value: maybe"), HasSubstr("test.yaml:1:16: initial_value"));
  EXPECT_THAT(errors("include: {metrics: ['('], match_type: regexp}"), HasSubstr("missing"));
  EXPECT_THAT(errors("include: {metrics: [a]}"), HasSubstr("strict or regexp"));
  EXPECT_THAT(errors("include: {metric_types: [gauge]}"), HasSubstr("is not sum"));
  EXPECT_THAT(errors("max_stalenes: 1s"), HasSubstr("did you mean"));
}

}  // namespace
}  // namespace narthex::processors
