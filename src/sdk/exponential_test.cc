#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <thread>
#include <vector>

#include "base/random.h"
#include "sdk/testing/sdk_fixture.h"

namespace narthex::sdk {
namespace {

// Exponential histograms as a user of the SDK has them: all of histogram instruments.
class ExponentialTest : public SdkTest {
 protected:
  ExponentialTest() { UseSize(160); }
  void UseSize(size_t max_size, int max_scale = 20,
               TemporalityPreference temporality = TemporalityPreference::kCumulative) {
    Use({.clock = clock_,
         .readers = {{.temporality = temporality}},
         .views = {{.aggregation = Aggregation::kBase2ExponentialHistogram,
                    .max_size = max_size,
                    .max_scale = max_scale}}});
  }
  ExponentialPoint Point(std::string_view name) {
    const MetricData* metric = Find(name);
    EXPECT_NE(metric, nullptr);
    EXPECT_EQ(metric->kind, DataKind::kExponentialHistogram);
    return metric->exponentials[0];
  }
  // Upper bound of the bucket → count.
  std::map<double, uint64_t> Buckets(const ExponentialPoint& point,
                                     const ExponentialPoint::Side& side) {
    std::map<double, uint64_t> buckets;
    const auto counts = batch_.scopes[0].metrics[0].BucketCounts(side);
    for (size_t i = 0; i < counts.size(); ++i) {
      const double index = side.offset + static_cast<double>(i) + 1;
      if (counts[i] != 0) buckets[std::exp2(std::ldexp(index, -point.scale))] = counts[i];
    }
    return buckets;
  }
};

TEST_F(ExponentialTest, OneValueHasTheFinestScale) {
  auto histogram = meter()->CreateDoubleHistogram("h");
  histogram->Record(3);
  const ExponentialPoint point = Point("h");
  EXPECT_EQ(point.scale, 20);
  EXPECT_EQ(point.positive.size, 1u);
  EXPECT_EQ(point.count, 1u);
  EXPECT_EQ(point.sum, 3);
  EXPECT_EQ(point.min, 3);
  EXPECT_EQ(point.max, 3);
}

TEST_F(ExponentialTest, ABoundBelongsToTheBucketBelowIt) {
  UseSize(160, 0);
  auto histogram = meter()->CreateDoubleHistogram("h");
  for (double value : {1.0, 2.0, 2.1, 4.0, 4.1, 0.5, 0.0}) histogram->Record(value);
  const ExponentialPoint point = Point("h");
  EXPECT_EQ(point.scale, 0);
  EXPECT_EQ(point.zero_count, 1u);
  EXPECT_EQ(Buckets(point, point.positive),
            (std::map<double, uint64_t>{{0.5, 1}, {1, 1}, {2, 1}, {4, 2}, {8, 1}}));
}

TEST_F(ExponentialTest, PowersOfTwoAreExactAtEveryScale) {
  for (int scale = -10; scale <= 20; ++scale) {
    for (int exponent : {-1074, -1022, -1, 0, 1, 1023}) {
      UseSize(2, scale);
      auto histogram = meter()->CreateDoubleHistogram("h");
      histogram->Record(std::ldexp(1.0, exponent));
      const ExponentialPoint point = Point("h");
      ASSERT_EQ(point.scale, scale);
      const int64_t expected =
          scale > 0 ? (int64_t{exponent} << scale) - 1 : (int64_t{exponent} - 1) >> -scale;
      EXPECT_EQ(point.positive.offset, expected) << "2^" << exponent << " at scale " << scale;
    }
  }
}

TEST_F(ExponentialTest, ScaleFallsUntilTheWholeRangeFits) {
  UseSize(4);
  auto histogram = meter()->CreateDoubleHistogram("h");
  for (double value : {1.0, 2.0, 4.0, 8.0}) histogram->Record(value);
  ExponentialPoint point = Point("h");
  EXPECT_EQ(point.scale, 0);
  EXPECT_EQ(point.positive.size, 4u);
  histogram->Record(16);
  point = Point("h");
  EXPECT_EQ(point.scale, -1);
  EXPECT_LE(point.positive.size, 4u);
  histogram->Record(std::numeric_limits<double>::max());
  histogram->Record(std::numeric_limits<double>::denorm_min());
  point = Point("h");
  EXPECT_LE(point.positive.size, 4u);
  EXPECT_EQ(point.count, 7u);
}

TEST_F(ExponentialTest, NegativeValuesHaveASideOfTheirOwn) {
  UseSize(160, 0);
  auto counter = meter()->CreateDoubleUpDownCounter("c");
  for (double value : {-3.0, 3.0, -3.5, 0.0}) counter->Add(value);
  const ExponentialPoint point = Point("c");
  EXPECT_EQ(Buckets(point, point.negative), (std::map<double, uint64_t>{{4, 2}}));
  EXPECT_EQ(Buckets(point, point.positive), (std::map<double, uint64_t>{{4, 1}}));
  EXPECT_EQ(point.min, -3.5);
}

TEST_F(ExponentialTest, BucketsHoldTheValuesThatTheyClaim) {
  const uint64_t seed = base::RandomSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  base::Random random(seed);
  auto histogram = meter()->CreateDoubleHistogram("h");
  std::vector<double> values;
  for (int i = 0; i < 5000; ++i) {
    values.push_back(std::exp(random.NextDouble() * 20 - 10));
    histogram->Record(values.back());
  }
  std::ranges::sort(values);
  const ExponentialPoint point = Point("h");
  EXPECT_GE(point.scale, 2);  // 29 octaves in 160 buckets.
  uint64_t below = 0;
  for (const auto& [bound, count] : Buckets(point, point.positive)) {
    below += count;
    const auto at = std::ranges::upper_bound(values, bound * (1 + 1e-12)) - values.begin();
    EXPECT_NEAR(static_cast<double>(below), static_cast<double>(at), 0) << "up to " << bound;
  }
  EXPECT_EQ(below, 5000u);
}

TEST_F(ExponentialTest, DeltasStartAnewAtTheFinestScale) {
  UseSize(4, 20, TemporalityPreference::kDelta);
  auto histogram = meter()->CreateDoubleHistogram("h");
  for (double value : {1.0, 1000.0}) histogram->Record(value);
  EXPECT_LT(Point("h").scale, 20);
  EXPECT_EQ(Find("h"), nullptr);
  histogram->Record(5);
  EXPECT_EQ(Point("h").scale, 20);
}

TEST_F(ExponentialTest, NothingIsLostBetweenThreads) {
  constexpr int kThreads = 12, kRounds = 3000;
  auto histogram = meter()->CreateUInt64Histogram("h");
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) histogram->Record(static_cast<uint64_t>(t));
    });
  }
  for (int i = 0; i < 10; ++i) provider_->Collect(batch_);
  for (std::thread& thread : threads) thread.join();
  const ExponentialPoint point = Point("h");
  EXPECT_EQ(point.count, static_cast<uint64_t>(kThreads * kRounds));
  EXPECT_EQ(point.zero_count, static_cast<uint64_t>(kRounds));
  EXPECT_EQ(point.sum, kRounds * (kThreads - 1) * kThreads / 2.0);
}

}  // namespace
}  // namespace narthex::sdk
