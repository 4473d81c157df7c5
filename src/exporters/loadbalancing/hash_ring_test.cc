#include "exporters/loadbalancing/hash_ring.h"

#include <gtest/gtest.h>

namespace narthex::exporters {
namespace {

const std::vector<std::string> kThree = {"10.0.0.1:4317", "10.0.0.2:4317", "10.0.0.3:4317"};

// Worked out with another program, by the description in hash_ring.h.
TEST(HashRing, PutsKeysWhereOthersPutThem) {
  constexpr std::pair<const char*, size_t> kKeys[] = {
      {"shop", 2}, {"bank", 1}, {"api", 0},      {"checkout", 1},
      {"cart", 0}, {"", 2},     {"payments", 2}, {"frontend", 0},
  };
  const HashRing ring(kThree);
  for (const auto& [key, endpoint] : kKeys) EXPECT_EQ(ring.EndpointFor(key), endpoint) << key;
}

TEST(HashRing, SharesKeysOutAndMovesFewWhenAServerGoes) {
  const HashRing three(kThree);
  const HashRing two({kThree[0], kThree[1]});
  std::vector<int> counts(3, 0);
  constexpr int kKeys = 10'000;
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = "service-" + std::to_string(i);
    const size_t at = three.EndpointFor(key);
    ++counts[at];
    if (at < 2) {
      EXPECT_EQ(two.EndpointFor(key), at) << key;
    }
  }
  for (const int count : counts) EXPECT_GT(count, kKeys / 5);
}

}  // namespace
}  // namespace narthex::exporters
