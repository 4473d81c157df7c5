#include "pipeline/beat.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/testing/manual_clock.h"

namespace narthex::pipeline {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// Waits for calls that come in a moment.
void Await(const std::atomic<int>& calls, int count) {
  while (calls < count) std::this_thread::yield();
}

TEST(Beat, CallsUntilItIsStopped) {
  std::atomic<int> calls = 0;
  Beat beat(base::SystemClock(), milliseconds(1), [&] { ++calls; });
  beat.Start();
  Await(calls, 3);
  beat.Stop();
  const int before = calls;
  beat.Stop();
  EXPECT_EQ(calls, before);
}

TEST(Beat, WhatWasMissedIsNotMadeUpFor) {
  base::ManualClock clock;
  std::atomic<int> calls = 0;
  Beat beat(clock, milliseconds(1), [&] {
    if (++calls == 1) clock.AdvanceMs(1'000);
  });
  beat.Start(milliseconds(0));
  Await(calls, 2);
  // Nothing more is due until the clock moves again.
  clock.AdvanceMs(1);
  Await(calls, 3);
  beat.Stop();
  EXPECT_EQ(calls, 3);
}

TEST(Beat, StopEndsALongWaitAndWorksWithoutStart) {
  std::atomic<int> calls = 0;
  {
    Beat idle(base::SystemClock(), hours(1), [&] { ++calls; });
    idle.Stop();
  }
  Beat beat(base::SystemClock(), hours(1), [&] { ++calls; });
  beat.Start();
  beat.Stop();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace narthex::pipeline
