#include "tsdb/retention.h"

#include <gmock/gmock.h>

namespace narthex::tsdb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Four blocks that end at 10, 20, 30, 40, of 100 bytes each.
const std::vector<StoredBlock> kBlocks = {{10, 100}, {20, 100}, {30, 100}, {40, 100}};

TEST(Retention, KeepsEverythingWithoutALimit) {
  const Expired expired = FindExpired(kBlocks, 1 << 30, 1000, {});
  EXPECT_THAT(expired.by_time, IsEmpty());
  EXPECT_THAT(expired.by_size, IsEmpty());
}

TEST(Retention, DropsBlocksThatEndLongEnoughBeforeTheNewest) {
  EXPECT_THAT(FindExpired(kBlocks, 0, 0, {.time_ms = 20}).by_time, ElementsAre(1, 0));
  EXPECT_THAT(FindExpired(kBlocks, 0, 0, {.time_ms = 21}).by_time, ElementsAre(0));
}

TEST(Retention, DropsTheOldestUntilTheRestFits) {
  EXPECT_THAT(FindExpired(kBlocks, 50, 0, {.bytes = 250}).by_size, ElementsAre(1, 0));
  EXPECT_THAT(FindExpired(kBlocks, 0, 0, {.bytes = 400}).by_size, IsEmpty());
}

TEST(Retention, AShareOfTheDiskTakesThePlaceOfTheSize) {
  const Retention half{.bytes = 1, .percentage = 50};
  EXPECT_THAT(FindExpired(kBlocks, 0, 600, half).by_size, ElementsAre(0));
}

TEST(Retention, WhatTimeDropsTakesNoRoom) {
  const Expired expired = FindExpired(kBlocks, 0, 0, {.time_ms = 20, .bytes = 200});
  EXPECT_THAT(expired.by_time, ElementsAre(1, 0));
  EXPECT_THAT(expired.by_size, IsEmpty());
}

}  // namespace
}  // namespace narthex::tsdb
