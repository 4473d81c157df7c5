#include "pipeline/backoff.h"

#include <gtest/gtest.h>

namespace narthex::pipeline {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr RetryConfig kSteady = {.randomization_factor = 0};

Backoff Make(const RetryConfig& config) { return Backoff(config, base::Random(1)); }

TEST(Backoff, DelaysGrowUpToALimit) {
  Backoff backoff = Make({.initial_interval = seconds(4),
                          .multiplier = 2,
                          .randomization_factor = 0,
                          .max_interval = seconds(10)});
  EXPECT_EQ(backoff.Next({}, {}), seconds(4));
  EXPECT_EQ(backoff.Next({}, {}), seconds(8));
  EXPECT_EQ(backoff.Next({}, {}), seconds(10));
  EXPECT_EQ(backoff.Next({}, {}), seconds(10));
}

TEST(Backoff, ChanceStaysWithinItsShare) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Backoff backoff({.initial_interval = seconds(10), .randomization_factor = 0.5},
                    base::Random(seed));
    const auto delay = backoff.Next({}, {});
    ASSERT_TRUE(delay.has_value());
    EXPECT_GE(*delay, seconds(5)) << "seed " << seed;
    EXPECT_LE(*delay, seconds(15)) << "seed " << seed;
  }
}

TEST(Backoff, TheServersHintIsTheLeast) {
  Backoff backoff = Make(kSteady);
  EXPECT_EQ(backoff.Next({}, seconds(60)), seconds(60));
  EXPECT_EQ(backoff.Next({}, seconds(1)), seconds(7) + std::chrono::milliseconds(500));
}

TEST(Backoff, EndsBeforeTheTimeIsOver) {
  EXPECT_EQ(Make(kSteady).Next(seconds(295), {}), seconds(5));
  EXPECT_EQ(Make(kSteady).Next(seconds(296), {}), std::nullopt);
  EXPECT_EQ(Make(kSteady).Next({}, seconds(301)), std::nullopt);
}

TEST(Backoff, ZeroElapsedTimeMeansForever) {
  Backoff backoff = Make({.randomization_factor = 0, .max_elapsed_time = nanoseconds(0)});
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(backoff.Next(std::chrono::hours(24), {}).has_value());
}

TEST(Backoff, SwitchedOffItNeverTriesAgain) {
  EXPECT_EQ(Make({.is_enabled = false}).Next({}, seconds(1)), std::nullopt);
}

}  // namespace
}  // namespace narthex::pipeline
