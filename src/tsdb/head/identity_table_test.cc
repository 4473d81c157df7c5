#include "tsdb/head/identity_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <vector>

#include "base/random.h"

namespace narthex::tsdb {
namespace {

std::optional<Slot> Find(const IdentityTable& table, uint64_t hash, Slot wanted) {
  return table.Find(hash, [&](Slot slot) { return slot == wanted; });
}

TEST(IdentityTable, AgreesWithAMapThroughInsertsAndRemovals) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    // Few hashes: many of them are equal, and many lie at the very ends.
    std::vector<uint64_t> hashes = {0, ~uint64_t{0}, ~uint64_t{0} - 64, uint64_t{1} << 32};
    while (hashes.size() < 200) hashes.push_back(random.Next());
    IdentityTable table;
    std::map<Slot, uint64_t> twin;
    for (Slot slot = 0; slot < 3000; ++slot) {
      const uint64_t hash =
          random.Below(2) == 0 ? random.Next() : hashes[random.Below(hashes.size())];
      table.Insert(hash, slot);
      twin[slot] = hash;
      if (random.Below(3) == 0) {
        const auto victim = std::next(
            twin.begin(), static_cast<ptrdiff_t>(random.Below(std::min<size_t>(20, twin.size()))));
        table.Remove(victim->second, victim->first);
        EXPECT_EQ(Find(table, victim->second, victim->first), std::nullopt);
        twin.erase(victim);
      }
    }
    for (const auto& [slot, hash] : twin) EXPECT_EQ(Find(table, hash, slot), slot);
    EXPECT_EQ(Find(table, random.Next(), 1), std::nullopt);
  }
}

TEST(IdentityTable, ManyEqualHashesOnlyCostTime) {
  IdentityTable table;
  for (Slot slot = 0; slot < 500; ++slot) table.Insert(~uint64_t{0}, slot);
  for (Slot slot = 0; slot < 500; ++slot) EXPECT_EQ(Find(table, ~uint64_t{0}, slot), slot);
}

TEST(IdentityTable, TakesSomeTenBytesPerSeries) {
  base::Random random(1);
  IdentityTable table;
  for (Slot slot = 0; slot < 200'000; ++slot) table.Insert(random.Next(), slot);
  EXPECT_LT(table.bytes(), 200'000u * 12);
}

}  // namespace
}  // namespace narthex::tsdb
