#include "net/internal/duty.h"

namespace narthex::net::internal {

bool Duty::Await(size_t slot) {
  ids_[slot] = std::this_thread::get_id();
  base::MutexLock lock(mutex_);
  if ((state_ & kSlot) == slot) return !stopped_;
  watched_ = true;
  uint64_t seen = state_;
  int quiet = 0;
  while (!stopped_) {
    wake_.WaitFor(mutex_, kPatience);
    uint64_t now = state_;
    if (now != seen) {
      seen = now;
      quiet = 0;
      continue;
    }
    if ((now & kRunning) != 0) {
      watched_ = false;
      if (state_.compare_exchange_strong(now, (now & ~kRunning) ^ kSlot)) return !stopped_;
      watched_ = true;
      continue;
    }
    if (++quiet < kQuietLooks) continue;
    quiet = 0;
    // Run writes the state before it looks whether to wake somebody.
    asleep_ = true;
    if (state_ == seen) {
      while (asleep_ && !stopped_) wake_.Wait(mutex_);
    }
    asleep_ = false;
  }
  watched_ = false;
  return false;
}

void Duty::Stop() {
  base::MutexLock lock(mutex_);
  stopped_ = true;
  wake_.NotifyAll();
}

bool Duty::OnDuty() {
  uint64_t now = state_;
  if (ids_[now & kSlot] != std::this_thread::get_id()) return false;
  if ((now & kRunning) == 0) return true;
  return state_.compare_exchange_strong(now, now & ~kRunning);
}

bool Duty::Run(std::move_only_function<void()>& function) {
  if (!OnDuty() || !watched_) return false;
  state_ = (state_ | kRunning) + kBegun;
  if (asleep_) {
    base::MutexLock lock(mutex_);
    asleep_ = false;
    wake_.NotifyOne();
  }
  function();
  OnDuty();
  return true;
}

}  // namespace narthex::net::internal
