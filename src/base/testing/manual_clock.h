#pragma once

#include <atomic>

#include "base/clock.h"

namespace narthex::base {

// A clock that moves only when told to. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t wall_ms = 0) : wall_ns_(wall_ms * 1'000'000) {}

  int64_t WallMs() const override { return wall_ns_ / 1'000'000; }
  int64_t WallNs() const override { return wall_ns_; }
  int64_t MonotonicNs() const override { return monotonic_ns_; }

  void AdvanceMs(int64_t ms) {
    wall_ns_ += ms * 1'000'000;
    monotonic_ns_ += ms * 1'000'000;
  }
  // A step of the wall clock that the monotonic one does not make.
  void JumpWallMs(int64_t ms) { wall_ns_ += ms * 1'000'000; }

 private:
  std::atomic<int64_t> wall_ns_;
  std::atomic<int64_t> monotonic_ns_{0};
};

}  // namespace narthex::base
