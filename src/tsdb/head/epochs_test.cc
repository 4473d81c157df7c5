#include "tsdb/head/epochs.h"

#include <gtest/gtest.h>

namespace narthex::tsdb {
namespace {

TEST(Epochs, FreesWhenTheGuardsTakenBeforeAreGone) {
  Epochs epochs;
  int freed = 0;
  const auto retire = [&](int n) {
    std::vector<std::move_only_function<void()>> frees;
    frees.push_back([&freed, n] { freed += n; });
    epochs.Retire(std::move(frees));
  };
  retire(1);
  EXPECT_EQ(freed, 1);  // Nobody was there.

  Epochs::Guard first = epochs.Enter();
  retire(10);
  Epochs::Guard second = epochs.Enter();
  retire(100);
  EXPECT_EQ(freed, 1);
  second.reset();
  EXPECT_EQ(freed, 1);  // The first was there before both.
  first.reset();
  EXPECT_EQ(freed, 111);
}

TEST(Epochs, DoesNotWaitForGuardsTakenAfter) {
  Epochs epochs;
  bool freed = false;
  Epochs::Guard before = epochs.Enter();
  std::vector<std::move_only_function<void()>> frees;
  frees.push_back([&freed] { freed = true; });
  epochs.Retire(std::move(frees));
  const Epochs::Guard after = epochs.Enter();
  before.reset();
  EXPECT_TRUE(freed);
}

}  // namespace
}  // namespace narthex::tsdb
