#include "connectors/spanmetrics/adjusted_count.h"

#include <gtest/gtest.h>

namespace narthex::connectors {
namespace {

TEST(AdjustedCount, OfWholeNumbers) {
  base::Random random(1);
  const auto draw = [&](std::string_view trace_state) {
    return AdjustedCount(trace_state).Draw(random);
  };
  EXPECT_EQ(AdjustedCount().Draw(random), 1u);
  EXPECT_EQ(draw("ot=th:0"), 1u);
  EXPECT_EQ(draw("ot=th:8"), 2u);
  EXPECT_EQ(draw("ot=th:c"), 4u);
  EXPECT_EQ(draw("ot=th:c0000000000000"), 4u);
  EXPECT_EQ(draw("vendor=x , ot=rv:abcdefabcdefab;th:fc;x:y"), 64u);
  EXPECT_TRUE(AdjustedCount("ot=th:0").is_extrapolated());
}

TEST(AdjustedCount, WhatCannotBeReadStandsForItself) {
  base::Random random(1);
  for (const char* trace_state :
       {"", "ot=", "ot=th:", "ot=th:x", "ot=rv:1", "other=th:c", "ot=th:000000000000000",
        "ot=th:-1", "ot=th:ffffffffffffff", ",,=;", "ot=th: c"}) {
    const AdjustedCount adjusted(trace_state);
    EXPECT_FALSE(adjusted.is_extrapolated()) << trace_state;
    EXPECT_EQ(adjusted.Draw(random), 1u) << trace_state;
  }
}

TEST(AdjustedCount, TheMeanOfOthersIsRight) {
  base::Random random(7);
  const AdjustedCount adjusted("ot=th:5");  // Of sixteen, eleven are kept.
  uint64_t sum = 0;
  constexpr int kSpans = 110'000;
  for (int i = 0; i < kSpans; ++i) {
    const uint64_t count = adjusted.Draw(random);
    ASSERT_TRUE(count == 1 || count == 2);
    sum += count;
  }
  EXPECT_NEAR(static_cast<double>(sum), 160'000, 1'000);
}

}  // namespace
}  // namespace narthex::connectors
