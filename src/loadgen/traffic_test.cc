#include "loadgen/traffic.h"

#include <gtest/gtest.h>

#include <map>

namespace narthex::loadgen {
namespace {

TEST(TrafficPlan, SameSeedSameRequests) {
  TrafficPlan a({.seed = 7}), b({.seed = 7}), other({.seed = 8});
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const PlannedRequest x = a.Next(), y = b.Next(), z = other.Next();
    ASSERT_EQ(x.at_ns, y.at_ns);
    ASSERT_EQ(x.route, y.route);
    ASSERT_EQ(x.body, y.body);
    differs |= x.at_ns != z.at_ns;
  }
  EXPECT_TRUE(differs);
}

TEST(TrafficPlan, KeepsRateAndWeights) {
  TrafficPlan plan({.rate = 100});
  std::map<size_t, double> share;
  constexpr int kCount = 100'000;
  int64_t last = 0;
  for (int i = 0; i < kCount; ++i) {
    const PlannedRequest request = plan.Next();
    ASSERT_GE(request.at_ns, last);
    last = request.at_ns;
    share[request.route] += 1.0 / kCount;
  }
  EXPECT_NEAR(static_cast<double>(last) / 1e9, kCount / 100.0, 10);
  EXPECT_NEAR(share[0], 0.50, 0.01);
  EXPECT_NEAR(share[1], 0.30, 0.01);
  EXPECT_NEAR(share[2], 0.15, 0.01);
  EXPECT_NEAR(share[3], 0.05, 0.01);
}

TEST(TrafficPlan, EvenArrivalIsEven) {
  TrafficPlan plan({.rate = 4, .arrival = TrafficConfig::Arrival::kEven});
  for (int64_t i = 1; i < 10; ++i) EXPECT_EQ(plan.Next().at_ns, i * 250'000'000);
}

}  // namespace
}  // namespace narthex::loadgen
