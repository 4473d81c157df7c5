#include "tsdb/head/sealed_list.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace narthex::tsdb {
namespace {

bool Same(const std::vector<SealedChunk>& a, const std::vector<SealedChunk>& b) {
  return std::ranges::equal(a, b, [](const SealedChunk& x, const SealedChunk& y) {
    return x.range.min == y.range.min && x.range.max == y.range.max && x.location == y.location;
  });
}

TEST(SealedList, GivesBackWhatWasAppended) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    SlabPool pool;
    std::vector<SealedChunk> chunks;
    SlabPool::Handle list = SlabPool::kNone;
    model::Timestamp t = static_cast<model::Timestamp>(random.Next()) / 4;
    uint64_t location = random.Below(1000) << 32;
    for (uint64_t left = random.Below(200); left > 0; --left) {
      const model::Timestamp min =
          t + (random.Below(3) == 0 ? 15'000 : 1 + static_cast<int64_t>(random.Below(1 << 30)));
      t = min + (random.Below(3) > 0 ? 1'785'000 : static_cast<int64_t>(random.Below(1 << 30)));
      location += random.Below(uint64_t{1} << 33);
      chunks.push_back({{min, t}, location});
      list = AppendSealed(pool, list, chunks.back());
    }
    EXPECT_TRUE(Same(DecodeSealed(SealedBytes(pool, list)), chunks));
    EXPECT_TRUE(Same(DecodeSealed(SealedBytes(pool, EncodeSealed(pool, chunks))), chunks));
  }
}

TEST(SealedList, ExtremeTimesSurvive) {
  SlabPool pool;
  const std::vector<SealedChunk> chunks = {
      {{model::kTimestampMin, model::kTimestampMin}, 1},
      {{model::kTimestampMax - 1, model::kTimestampMax}, uint64_t{99'999'999} << 32}};
  EXPECT_TRUE(Same(DecodeSealed(SealedBytes(pool, EncodeSealed(pool, chunks))), chunks));
}

TEST(SealedList, RegularChunksTakeSixBytes) {
  SlabPool pool;
  std::vector<SealedChunk> chunks;
  for (int i = 0; i < 8; ++i) {
    chunks.push_back({{i * 1'800'000, i * 1'800'000 + 1'785'000},
                      (uint64_t{1} << 32) + static_cast<uint64_t>(i) * 20'000'000});
  }
  EXPECT_LE(SealedBytes(pool, EncodeSealed(pool, chunks)).size(), 8u * 6);
}

}  // namespace
}  // namespace narthex::tsdb
