#include "tsdb/compact/planner.h"

#include <gtest/gtest.h>

namespace narthex::tsdb {
namespace {

using Chosen = std::vector<size_t>;

constexpr int64_t kRanges[] = {20, 60, 180, 540, 1620};

struct Case {
  int64_t min_time;
  int64_t max_time;
  uint64_t tombstones = 0;  // Of 10 series.
  bool failed = false;
};

Chosen Plan(std::vector<Case> cases) {
  std::vector<BlockMeta> blocks;
  for (const Case& c : cases) {
    BlockMeta meta{.min_time = c.min_time, .max_time = c.max_time};
    meta.stats.series = 10;
    meta.stats.tombstones = c.tombstones;
    meta.compaction.failed = c.failed;
    blocks.push_back(std::move(meta));
  }
  return PlanCompaction(blocks, kRanges);
}

TEST(Planner, GrowsRangesByThree) {
  constexpr int64_t kHour = 3'600'000;
  EXPECT_EQ(BlockRanges(2 * kHour, 36 * kHour),
            (std::vector<int64_t>{2 * kHour, 6 * kHour, 18 * kHour}));
  EXPECT_EQ(BlockRanges(2 * kHour, 31 * 24 * kHour).back(), 486 * kHour);
  EXPECT_EQ(BlockRanges(2 * kHour, kHour), std::vector<int64_t>{2 * kHour});
  EXPECT_EQ(BlockRanges(1, int64_t{1} << 60).size(), 10u);
}

TEST(Planner, WaitsForAFullWindowOrALaterBlock) {
  EXPECT_EQ(Plan({}), Chosen());
  EXPECT_EQ(Plan({{0, 20}}), Chosen());
  EXPECT_EQ(Plan({{0, 20}, {20, 40}}), Chosen());
  EXPECT_EQ(Plan({{0, 20}, {20, 40}, {40, 60}}), Chosen()) << "the newest stands aside";
  EXPECT_EQ(Plan({{0, 20}, {20, 40}, {40, 60}, {60, 80}}), (Chosen{0, 1, 2}));
  EXPECT_EQ(Plan({{0, 20}, {20, 40}, {60, 80}, {80, 100}}), (Chosen{0, 1})) << "a gap at the end";
  EXPECT_EQ(Plan({{0, 20}, {40, 60}, {60, 80}}), (Chosen{0, 1})) << "a gap inside, but full";
  EXPECT_EQ(Plan({{0, 20}, {60, 80}, {80, 100}}), Chosen()) << "one alone in its window";
  EXPECT_EQ(Plan({{5, 20}, {20, 40}, {60, 80}, {80, 100}}), (Chosen{0, 1})) << "a ragged start";
}

TEST(Planner, FillsLargerWindowsAfterSmallerOnes) {
  EXPECT_EQ(Plan({{0, 60}, {60, 120}, {120, 180}, {180, 200}}), (Chosen{0, 1, 2}));
  EXPECT_EQ(Plan({{0, 60}, {60, 120}, {120, 140}, {140, 160}, {160, 180}, {180, 200}}),
            (Chosen{2, 3, 4}));
  EXPECT_EQ(Plan({{0, 60}, {60, 120}, {180, 240}, {240, 260}}), (Chosen{0, 1}));
  EXPECT_EQ(Plan({{-60, -40}, {-40, -20}, {-20, 0}, {0, 20}}), (Chosen{0, 1, 2}));
  EXPECT_EQ(Plan({{0, 7000}, {7000, 7020}, {7020, 7040}}), Chosen());
}

TEST(Planner, TheOrderOfTheInputDoesNotMatter) {
  EXPECT_EQ(Plan({{60, 80}, {40, 60}, {0, 20}, {20, 40}}), (Chosen{2, 3, 1}));
}

TEST(Planner, OverlapsComeFirst) {
  EXPECT_EQ(Plan({{0, 20}, {20, 40}, {40, 60}, {50, 70}}), (Chosen{2, 3}));
  EXPECT_EQ(Plan({{0, 20}, {19, 40}}), (Chosen{0, 1}));
  EXPECT_EQ(Plan({{0, 100}, {10, 20}, {30, 40}, {90, 110}, {110, 120}}), (Chosen{0, 1, 2, 3}));
  EXPECT_EQ(Plan({{0, 20}, {10, 20}, {20, 40}, {30, 50}}), (Chosen{0, 1})) << "one group at a time";
}

TEST(Planner, WhatFailedIsLeftAlone) {
  EXPECT_EQ(Plan({{0, 20}, {20, 40, 0, true}, {40, 60}, {60, 80}}), Chosen());
  EXPECT_EQ(Plan({{0, 20}, {10, 20, 0, true}, {20, 40}, {30, 50}}), (Chosen{2, 3}));
}

TEST(Planner, RewritesBlocksWithMuchDeleted) {
  EXPECT_EQ(Plan({{0, 540, 1}, {540, 560}}), Chosen{0});
  EXPECT_EQ(Plan({{0, 540, 0}, {540, 560}}), Chosen());
  EXPECT_EQ(Plan({{0, 540, 1, true}, {540, 560}}), Chosen());
  EXPECT_EQ(Plan({{0, 20, 1}, {60, 80}}), Chosen()) << "too small to be worth it";
  EXPECT_EQ(Plan({{0, 20, 10}, {60, 80}}), Chosen{0}) << "nothing left in it";
  EXPECT_EQ(Plan({{0, 20}, {540, 1080, 9}}), Chosen()) << "the newest";
}

}  // namespace
}  // namespace narthex::tsdb
