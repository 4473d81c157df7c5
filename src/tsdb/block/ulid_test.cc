#include "tsdb/block/ulid.h"

#include <gtest/gtest.h>

namespace narthex::tsdb {
namespace {

TEST(Ulid, TextAndBytesAreTheSame) {
  base::Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const Ulid ulid = Ulid::New(static_cast<int64_t>(random.Below(int64_t{1} << 48)), random);
    EXPECT_EQ(Ulid::Parse(ulid.ToString()), ulid);
    EXPECT_EQ(ulid.ToString().size(), Ulid::kTextBytes);
  }
}

TEST(Ulid, ReadsTheTimeOfUpstreamsNames) {
  const auto ulid = Ulid::Parse("01BZJ9WJQPWHGNC2W4J9TA62KC");
  ASSERT_TRUE(ulid.has_value());
  EXPECT_EQ(ulid->ToString(), "01BZJ9WJQPWHGNC2W4J9TA62KC");
  EXPECT_EQ(ulid->unix_ms(), 1511369100022);
}

TEST(Ulid, SortsByTime) {
  base::Random random(2);
  const Ulid older = Ulid::New(1'700'000'000'000, random);
  const Ulid newer = Ulid::New(1'700'000'000'001, random);
  EXPECT_LT(older, newer);
  EXPECT_LT(older.ToString(), newer.ToString());
}

TEST(Ulid, RefusesOtherNames) {
  for (const char* text :
       {"", "wal", "01BZJ9WJQPWHGNC2W4J9TA62K", "01BZJ9WJQPWHGNC2W4J9TA62KCC",
        "01BZJ9WJQPWHGNC2W4J9TA62KU", "81BZJ9WJQPWHGNC2W4J9TA62KC", "chunks_head.tmp-for-delete"}) {
    EXPECT_FALSE(Ulid::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace narthex::tsdb
