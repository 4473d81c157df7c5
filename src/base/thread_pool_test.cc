#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>

namespace narthex::base {
namespace {

TEST(ThreadPool, GivesEachFunctionThatWaitsAThreadUpToItsLimit) {
  ThreadPool pool(3);
  std::latch together(3);
  std::atomic<int> done = 0;
  for (int i = 0; i < 6; ++i) {
    pool.Run([&, i] {
      // Nobody passes before three are here.
      if (i < 3) together.arrive_and_wait();
      ++done;
    });
  }
  while (done < 6) std::this_thread::yield();
  EXPECT_LE(pool.threads(), 3u);
}

TEST(ThreadPool, FreeThreadsEndAndOthersComeWhenNeeded) {
  ThreadPool pool(8, std::chrono::milliseconds(1));
  for (int round = 0; round < 3; ++round) {
    std::latch together(8);
    for (int i = 0; i < 8; ++i) pool.Run([&] { together.arrive_and_wait(); });
    together.wait();
    while (pool.threads() > 0) std::this_thread::yield();
  }
}

TEST(ThreadPool, StopDropsWhatWaitsAndJoinsWhatRuns) {
  std::promise<void> release;
  std::promise<void> running;
  std::atomic<bool> finished = false;
  auto pool = std::make_unique<ThreadPool>(1, std::chrono::milliseconds(1));
  pool->Run([&] {
    running.set_value();
    release.get_future().wait();
    finished = true;
  });
  auto dropped = std::make_shared<int>();
  pool->Run([dropped] { FAIL() << "ran after Stop"; });
  running.get_future().wait();
  std::thread stop([&] { pool->Stop(); });
  while (dropped.use_count() > 1) std::this_thread::yield();  // Dropped while the other runs.
  EXPECT_FALSE(finished);
  release.set_value();
  stop.join();
  EXPECT_TRUE(finished);
  pool->Run([] { FAIL() << "ran after Stop"; });
  pool->Stop();
}

}  // namespace
}  // namespace narthex::base
