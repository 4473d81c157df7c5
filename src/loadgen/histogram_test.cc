#include "loadgen/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace narthex::loadgen {
namespace {

// The obvious twin: all values, sorted.
int64_t ExactQuantile(std::vector<int64_t> values, double q) {
  std::ranges::sort(values);
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
  return values[std::max<size_t>(rank, 1) - 1];
}

TEST(Histogram, EmptyIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(Histogram, EverySingleValueComesBackWithinOnePercent) {
  for (int64_t value = 0; value < (int64_t{1} << 32); value += 1 + value / 1000) {
    Histogram histogram;
    histogram.Record(value);
    const auto got = static_cast<double>(histogram.Quantile(1));
    ASSERT_NEAR(got, static_cast<double>(value), 0.01 * static_cast<double>(value)) << value;
  }
}

TEST(Histogram, QuantilesAgreeWithSortedValues) {
  const uint64_t seed = base::RandomSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  base::Random random(seed);
  for (int round = 0; round < 50; ++round) {
    Histogram whole, half;
    std::vector<int64_t> values;
    const uint64_t scale = uint64_t{1} << random.Below(32);
    for (int i = 0; i < 500; ++i) {
      values.push_back(static_cast<int64_t>(random.Below(scale)));
      (i % 2 == 0 ? whole : half).Record(values.back());
    }
    whole.Merge(half);
    ASSERT_EQ(whole.count(), values.size());
    ASSERT_EQ(whole.max(), std::ranges::max(values));
    for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
      const auto want = static_cast<double>(ExactQuantile(values, q));
      ASSERT_NEAR(static_cast<double>(whole.Quantile(q)), want, 0.01 * want) << "q " << q;
    }
  }
}

TEST(Histogram, ClampsWhatIsOutOfRange) {
  Histogram histogram;
  histogram.Record(-5);
  EXPECT_EQ(histogram.max(), 0);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.max(), (int64_t{1} << 32) - 1);
}

}  // namespace
}  // namespace narthex::loadgen
