#include "model/byte_size.h"

#include <gtest/gtest.h>

namespace narthex::model {
namespace {

TEST(ByteSize, UnitsArePowersOfTwo) {
  EXPECT_EQ(ParseBytes("10GB"), uint64_t{10} << 30);
  EXPECT_EQ(ParseBytes("1.5KiB"), 1536u);
  EXPECT_EQ(ParseBytes("77"), 77u);
  for (const char* text : {"", "GB", "5XB", "-1MB", "5K", "9999999999EB"}) {
    EXPECT_FALSE(ParseBytes(text)) << text;
  }
}

TEST(ByteSize, PrintsWholeUnits) {
  EXPECT_EQ(FormatBytes(0), "0B");
  EXPECT_EQ(FormatBytes(1023), "1023B");
  EXPECT_EQ(FormatBytes((uint64_t{3} << 29) + 7), "1GiB512MiB7B");
}

}  // namespace
}  // namespace narthex::model
