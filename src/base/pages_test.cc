#include "base/pages.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/process.h"

namespace narthex::base {
namespace {

// A size that is no multiple of a page either: all that was mapped for it goes back.
TEST(Pages, GiveBackAllThatTheyTook) {
  constexpr size_t kBytes = (3 << 20) + 16;
  constexpr int kRounds = 64;
  const uint64_t before = ReadProcessUsage().virtual_bytes;
  for (int round = 0; round < kRounds; ++round) {
    const Pages pages(kBytes);
    ASSERT_EQ(pages.size(), kBytes);
    std::memset(pages.data(), 1, kBytes);
  }
  const uint64_t after = ReadProcessUsage().virtual_bytes;
  EXPECT_LT(after, before + (kRounds << 20) / 4);
}

}  // namespace
}  // namespace narthex::base
