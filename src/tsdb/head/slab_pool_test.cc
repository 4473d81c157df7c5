#include "tsdb/head/slab_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/random.h"

namespace narthex::tsdb {
namespace {

// Open chunks of noisy values have some kilobytes.
TEST(SlabPool, LargeBuffersShareSlabs) {
  for (const uint32_t size : {513u, 1000u, 2100u, 4000u}) {
    SlabPool pool;
    for (int i = 0; i < 1000; ++i) pool.Allocate(size);
    EXPECT_LT(pool.bytes(), 1000 * size * 5 / 4 + 16'384) << size;
  }
}

// Against a map, through growth, release and settling, with buffers of every class and beyond.
TEST(SlabPool, KeepsWhatIsWrittenIntoEachBuffer) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    SlabPool pool;
    std::map<SlabPool::Handle, std::string> twin;
    const auto put = [&](SlabPool::Handle handle, const std::string& text) {
      ASSERT_NE(handle, SlabPool::kNone);
      ASSERT_GE(pool.Capacity(handle), text.size());
      std::copy(text.begin(), text.end(), pool.At(handle));
      ASSERT_TRUE(twin.emplace(handle, text).second);
    };
    for (int step = 0; step < 4000; ++step) {
      const bool large = random.Below(50) == 0;
      const std::string text(1 + random.Below(large ? 40'000 : 600),
                             static_cast<char>('a' + random.Below(26)));
      const uint64_t dice = random.Below(10);
      if (twin.empty() || dice < 4) {
        put(pool.Allocate(static_cast<uint32_t>(text.size())), text);
        continue;
      }
      const auto victim = std::next(
          twin.begin(), static_cast<ptrdiff_t>(random.Below(std::min<size_t>(twin.size(), 50))));
      const auto [handle, before] = *victim;
      ASSERT_EQ(std::string_view(pool.At(handle), before.size()), before);
      twin.erase(victim);
      if (dice < 6) {
        pool.Free(handle);
      } else if (dice < 8) {
        const auto size = static_cast<uint32_t>(before.size());
        put(pool.Grow(handle, size, size + static_cast<uint32_t>(text.size())), before + text);
      } else {
        put(pool.Settle(handle), before);
      }
    }
    for (const auto& [handle, text] : twin) {
      ASSERT_EQ(std::string_view(pool.At(handle), text.size()), text);
      pool.Free(handle);
    }
  }
}

TEST(SlabPool, BuffersThatGrowTogetherLeaveLittleBehind) {
  SlabPool pool;
  std::vector<SlabPool::Handle> handles;
  constexpr uint32_t kBuffers = 50'000;
  for (uint32_t i = 0; i < kBuffers; ++i) handles.push_back(pool.Allocate(16));
  uint64_t used = 0;
  for (uint32_t size = 32; size <= 160; size += 16) {
    used = 0;
    for (uint32_t i = 0; i < kBuffers; ++i) {
      // Every fourth stays small.
      if (i % 4 != 0) handles[i] = pool.Grow(handles[i], pool.Capacity(handles[i]), size);
    }
    for (SlabPool::Handle& handle : handles) {
      handle = pool.Settle(handle);
      used += pool.Capacity(handle);
    }
  }
  EXPECT_LT(pool.bytes(), used * 5 / 4 + (64 << 14));
  for (const SlabPool::Handle handle : handles) pool.Free(handle);
  EXPECT_LE(pool.bytes(), uint64_t{64} << 14);
}

}  // namespace
}  // namespace narthex::tsdb
