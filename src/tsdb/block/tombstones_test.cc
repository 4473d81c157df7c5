#include "tsdb/block/tombstones.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace narthex::tsdb {
namespace {

using model::TimeRange;

TEST(Intervals, AreTheUnionOfWhatWasAdded) {
  base::Random random(5);
  for (int world = 0; world < 500; ++world) {
    Intervals intervals;
    std::set<model::Timestamp> twin;
    for (uint64_t n = random.Below(8); n > 0; --n) {
      const auto min = static_cast<model::Timestamp>(random.Below(30));
      const auto max = min + static_cast<model::Timestamp>(random.Below(6));
      intervals.Add({min, max});
      for (auto t = min; t <= max; ++t) twin.insert(t);
    }
    model::SampleColumns samples;
    for (model::Timestamp t = 0; t < 40; ++t) samples.Add(t, static_cast<double>(t));
    intervals.RemoveFrom(samples, 0);
    EXPECT_EQ(samples.size() + twin.size(), 40u);
    for (const model::Timestamp t : samples.t) EXPECT_FALSE(twin.contains(t));
    // Apart and in order: as few as there can be.
    for (size_t i = 1; i < intervals.ranges().size(); ++i) {
      EXPECT_GT(intervals.ranges()[i].min, intervals.ranges()[i - 1].max + 1);
    }
  }
}

TEST(Intervals, ReachTheEndsOfTime) {
  Intervals intervals;
  intervals.Add({model::kTimestampMin, 5});
  intervals.Add({7, model::kTimestampMax});
  EXPECT_EQ(intervals.ranges().size(), 2u);
  intervals.Add({6, 6});
  EXPECT_EQ(intervals.ranges().size(), 1u);
  EXPECT_TRUE(intervals.Cover({}));
}

TEST(Tombstones, SurviveTheirEncoding) {
  Tombstones tombstones;
  tombstones.Add(7, {-100, 100});
  tombstones.Add(7, {200, 300});
  tombstones.Add(1 << 20, {model::kTimestampMin, model::kTimestampMax});
  const auto decoded = Tombstones::Decode(tombstones.Encode());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->count(), 3u);
  EXPECT_EQ(decoded->Encode(), tombstones.Encode());
  EXPECT_EQ(decoded->Find(8), nullptr);
}

// Source: Prometheus, tsdb/docs/format/tombstones.md.
TEST(Tombstones, AnEmptyFileHasTheseBytes) {
  EXPECT_EQ(Tombstones().Encode(), std::string("\x01\x30\xBA\x30\x01\0\0\0\0", 9));
}

TEST(Tombstones, AFlippedBitOrACutIsDamage) {
  Tombstones tombstones;
  tombstones.Add(3, {1, 2});
  tombstones.Add(9, {-5, 5});
  const std::string bytes = tombstones.Encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Tombstones::Decode(bytes.substr(0, size)).has_value()) << size;
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(Tombstones::Decode(changed).has_value()) << bit;
  }
}

}  // namespace
}  // namespace narthex::tsdb
