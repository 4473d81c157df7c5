#include "base/bytes.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/crc32c.h"

namespace narthex::base {
namespace {

TEST(Bytes, VarintsRoundTrip) {
  for (const int64_t value :
       {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{63}, int64_t{64}, int64_t{-65},
        std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    std::string bytes;
    PutVarint(bytes, value);
    PutUvarint(bytes, static_cast<uint64_t>(value));
    ByteReader reader(bytes);
    EXPECT_EQ(reader.ReadVarint(), value);
    EXPECT_EQ(reader.ReadUvarint(), static_cast<uint64_t>(value));
    EXPECT_TRUE(reader.ok() && reader.empty());
  }
}

TEST(Bytes, ReaderStaysBadAfterReadingPastTheEnd) {
  std::string bytes;
  PutBigEndian<uint32_t>(bytes, 7);
  ByteReader reader(bytes);
  EXPECT_EQ(reader.ReadBigEndian<uint64_t>(), 0u);
  EXPECT_EQ(reader.ReadByte(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, ReaderRefusesVarintsOver64Bits) {
  const std::string too_long(10, '\xff');
  ByteReader reader(too_long);
  reader.ReadUvarint();
  EXPECT_FALSE(reader.ok());
}

// Source: RFC 3720, appendix B.4.
TEST(Crc32c, MatchesThePublishedVectors) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(Crc32c("6789", Crc32c("12345")), Crc32c("123456789"));
}

}  // namespace
}  // namespace narthex::base
