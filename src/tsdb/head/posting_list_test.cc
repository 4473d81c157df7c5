#include "tsdb/head/posting_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "base/random.h"

namespace narthex::tsdb {
namespace {

std::vector<Slot> Slots(const PostingList& list) {
  std::vector<Slot> slots;
  list.AppendTo(slots);
  return slots;
}

// Ascending slots in which neighbours are as likely as gaps.
std::vector<Slot> RandomSlots(base::Random& random) {
  std::vector<Slot> slots;
  const uint64_t gap = 1 + random.Below(3) * random.Below(400);
  Slot slot = static_cast<Slot>(random.Below(1000));
  for (uint64_t left = random.Below(300); left > 0; --left) {
    slots.push_back(slot);
    slot += 1 + static_cast<Slot>(random.Below(2) * random.Below(gap));
  }
  return slots;
}

PostingList ListOf(const std::vector<Slot>& slots) {
  PostingList list;
  for (const Slot slot : slots) list.Append(slot);
  return list;
}

TEST(PostingList, OneRunNeedsNoHeap) {
  PostingList list;
  for (Slot slot = 7; slot < 100'000; ++slot) list.Append(slot);
  EXPECT_EQ(list.size(), 99'993u);
  EXPECT_EQ(list.heap_bytes(), 0u);
  EXPECT_EQ(Slots(list).back(), 99'999u);
}

TEST(PostingList, EveryOtherSlotTakesAByte) {
  PostingList list;
  for (Slot slot = 0; slot < 100'000; slot += 2) list.Append(slot);
  EXPECT_LT(list.heap_bytes(), 50'000u * 5 / 4 + 100);
}

TEST(PostingList, AgreesWithPlainListsOfSlots) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    const std::vector<Slot> a = RandomSlots(random);
    const std::vector<Slot> b = RandomSlots(random);
    PostingList list = ListOf(a);
    EXPECT_EQ(list.size(), a.size());
    EXPECT_EQ(Slots(list), a);

    std::vector<Slot> expected;
    std::ranges::set_intersection(a, b, std::back_inserter(expected));
    std::vector<Slot> both = b;
    IntersectWith(both, list);
    EXPECT_EQ(both, expected);

    std::vector<Slot> rest;
    std::ranges::set_difference(b, a, std::back_inserter(rest));
    const PostingList other = ListOf(rest);
    expected.clear();
    std::ranges::merge(a, rest, std::back_inserter(expected));
    EXPECT_EQ(Union(std::vector<const PostingList*>{&list, &other}), expected);

    list.RemoveIf([](Slot slot) { return slot % 3 == 0; });
    expected = a;
    std::erase_if(expected, [](Slot slot) { return slot % 3 == 0; });
    EXPECT_EQ(Slots(list), expected);
    const Slot next = a.empty() ? 5 : a.back() + 2;
    list.Append(next);
    EXPECT_EQ(Slots(list).back(), next);
  }
}

}  // namespace
}  // namespace narthex::tsdb
