#include "exporters/prometheus/internal/slots.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"

namespace narthex::exporters::internal {
namespace {

TEST(SlotTable, FindsWhatAMapFinds) {
  const uint64_t seed = base::RandomSeed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  SlotTable table;
  std::map<uint64_t, uint32_t> twin;
  // Few low bits: many of them want the same place.
  const auto hash = [](uint64_t key) { return Hash128{key % 64, key}; };
  for (uint32_t round = 0; round < 20'000; ++round) {
    const uint64_t key = random.Next() % 3'000;
    const auto known = twin.find(key);
    EXPECT_EQ(table.Find(hash(key)), known == twin.end() ? kNoSlot : known->second);
    if (known == twin.end()) {
      table.Insert(hash(key), round);
      twin[key] = round;
    }
    if (round % 997 != 0) continue;
    const auto gone = [&](uint32_t slot) { return slot % 3 == round % 3; };
    table.EraseIf(gone);
    std::erase_if(twin, [&](const auto& entry) { return gone(entry.second); });
    EXPECT_EQ(table.size(), twin.size());
  }
  table.Clear();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.Find(hash(1)), kNoSlot);
}

TEST(SlotArray, ValuesStayWhereTheyAre) {
  SlotArray<uint64_t, 4> numbers;
  SlotArray<std::string, 2> texts;
  ASSERT_EQ(numbers.Add(), 0u);
  const uint64_t* const first = &numbers[0];
  for (uint32_t slot = 1; slot < 100; ++slot) EXPECT_EQ(numbers.Add(), slot);
  for (uint32_t slot = 0; slot < 100; ++slot) EXPECT_EQ(texts.Add(), slot);
  for (uint32_t slot = 0; slot < 100; ++slot) {
    EXPECT_EQ(numbers[slot], 0u);
    numbers[slot] = slot;
    texts[slot] = std::to_string(slot);
  }
  EXPECT_EQ(first, &numbers[0]);
  for (uint32_t slot = 0; slot < 100; ++slot) {
    EXPECT_EQ(numbers[slot], slot);
    EXPECT_EQ(texts[slot], std::to_string(slot));
  }
}

}  // namespace
}  // namespace narthex::exporters::internal
