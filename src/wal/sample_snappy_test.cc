#include "wal/sample_snappy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "compress/compress.h"
#include "wal/records.h"

namespace narthex::wal {
namespace {

std::string Compressed(std::string_view record) {
  std::string block = "what was there before";
  CompressSamples(record, block);
  return block;
}

// What values a sample has, from always the same to noise.
double Value(base::Random& random, uint64_t kind) {
  switch (kind) {
    case 0:
      return 1;
    case 1:
      return static_cast<double>(random.Below(16));
    case 2:
      return static_cast<double>(random.Below(1'000'000));
    case 3:
      return std::bit_cast<double>(random.Next());
    default:
      return random.Below(2) == 0 ? 0 : std::numeric_limits<double>::infinity();
  }
}

TEST(SampleSnappy, AnyRecordComesBack) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    SamplesRecord record;
    const uint64_t kind = random.Below(6);
    const uint64_t samples = 1 + random.Below(seed % 10 == 0 ? 20'000 : 300);
    const bool own_times = random.Below(4) == 0;
    Ref ref = random.Below(1'000'000);
    for (uint64_t i = 0; i < samples; ++i) {
      ref = random.Below(8) == 0 ? random.Next() : ref + 1;
      const auto t =
          static_cast<model::Timestamp>(own_times ? random.Next() >> 1 : 1'700'000'000'000);
      record.Add({ref, t, Value(random, kind == 5 ? random.Below(5) : kind)});
    }
    const std::string block = Compressed(record.bytes());
    const auto back = compress::SnappyDecode(block, record.bytes().size());
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(*back, record.bytes());
    ASSERT_LE(block.size(), record.bytes().size() + record.bytes().size() / 32 + 16);
  }
}

// Beside the general encoder, on values as scrapes have them: it may lose a little, not more.
TEST(SampleSnappy, IsNearlyAsShortAsAGeneralEncoder) {
  for (uint64_t kind = 0; kind < 5; ++kind) {
    base::Random random(kind + 1);
    SamplesRecord record;
    for (Ref ref = 1; ref <= 5000; ++ref) record.Add({ref, 1'700'000'000'000, Value(random, kind)});
    const size_t general = compress::SnappyEncode(record.bytes()).size();
    EXPECT_LT(Compressed(record.bytes()).size(), general + general / 6) << kind;
  }
}

}  // namespace
}  // namespace narthex::wal
