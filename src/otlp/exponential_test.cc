#include "otlp/exponential.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace narthex::otlp {
namespace {

// Every value lies in the bucket that counts it, and no more buckets are there than allowed.
TEST(Exponential, HistogramsHoldTheirValues) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    const size_t buckets_max = 2 + random.Next() % 200;
    ExponentialRecorder recorder(buckets_max);
    std::vector<double> values;
    const size_t count = 1 + random.Next() % 100;
    for (size_t i = 0; i < count; ++i) {
      const double magnitude = std::ldexp(1 + static_cast<double>(random.Next() % 1000) / 1000,
                                          static_cast<int>(random.Next() % 40) - 20);
      values.push_back(random.Next() % 3 == 0 ? -magnitude : magnitude);
      recorder.Add(values.back(), 1);
    }
    TreePoint point;
    recorder.WriteTo(point);
    EXPECT_EQ(point.count, count);
    uint64_t counted = point.zero_count;
    for (const bool is_positive : {true, false}) {
      const TreePoint::Buckets& buckets = is_positive ? point.positive : point.negative;
      EXPECT_LE(buckets.counts.size(), buckets_max);
      for (size_t i = 0; i < buckets.counts.size(); ++i) {
        const double index = buckets.offset + static_cast<double>(i);
        const double low = std::exp2(std::ldexp(index, -point.scale));
        const double high = std::exp2(std::ldexp(index + 1, -point.scale));
        const auto inside = std::ranges::count_if(values, [&](double value) {
          const double magnitude = is_positive ? value : -value;
          return magnitude > low * (1 + 1e-12) && magnitude < high * (1 - 1e-12);
        });
        const auto near = std::ranges::count_if(values, [&](double value) {
          const double magnitude = is_positive ? value : -value;
          return magnitude >= low * (1 - 1e-12) && magnitude <= high * (1 + 1e-12);
        });
        EXPECT_GE(buckets.counts[i], static_cast<uint64_t>(inside));
        EXPECT_LE(buckets.counts[i], static_cast<uint64_t>(near));
        counted += buckets.counts[i];
      }
    }
    EXPECT_EQ(counted, count);
  }
}

TEST(Exponential, PowersOfTwoEndTheirBuckets) {
  ExponentialRecorder recorder(160);
  recorder.Add(4, 1);
  TreePoint point;
  recorder.WriteTo(point);
  EXPECT_EQ(point.scale, 20);
  EXPECT_EQ(point.positive.offset, (2 << 20) - 1);
}

}  // namespace
}  // namespace narthex::otlp
