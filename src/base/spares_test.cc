#include "base/spares.h"

#include <gtest/gtest.h>

#include <string>

namespace narthex::base {
namespace {

std::string OfCapacity(size_t bytes) {
  std::string text;
  text.reserve(bytes);
  return text;
}

TEST(Spares, GivesTheSmallestThatHoldsIt) {
  Spares<std::string> spares({.bytes_max = 10'000, .count_max = 3});
  EXPECT_TRUE(spares.Take(100).empty());
  for (const size_t bytes : {1000, 3000, 2000}) spares.Put(OfCapacity(bytes) + "used");
  EXPECT_EQ(spares.Take(1001).capacity(), 2000u);
  const std::string largest = spares.Take(5000);
  EXPECT_EQ(largest.capacity(), 3000u) << "the next best";
  EXPECT_TRUE(largest.empty());
  EXPECT_EQ(spares.Take(0).capacity(), 1000u);
  EXPECT_LT(spares.Take(0).capacity(), 100u) << "there is none";
}

TEST(Spares, KeepsTheLargestWithinItsLimits) {
  Spares<std::string> spares({.bytes_max = 10'000, .count_max = 3});
  spares.Put(OfCapacity(10'001));
  EXPECT_LT(spares.Take(0).capacity(), 100u) << "over the limit by itself";
  for (const size_t bytes : {1000, 2000, 3000, 4000}) spares.Put(OfCapacity(bytes));
  EXPECT_EQ(spares.Take(0).capacity(), 2000u) << "three are kept";
  spares.Put(OfCapacity(5000));
  EXPECT_EQ(spares.Take(0).capacity(), 4000u) << "12,000 bytes would be too many";
}

}  // namespace
}  // namespace narthex::base
