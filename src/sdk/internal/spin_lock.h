#pragma once

#include <atomic>

namespace narthex::sdk::internal {

// For a few instructions between threads that seldom meet.
class SpinLock {
 public:
  void Lock();
  void Unlock() { held_.clear(std::memory_order_release); }

 private:
  std::atomic_flag held_;
};

class SpinGuard {
 public:
  explicit SpinGuard(SpinLock& lock) : lock_(lock) { lock_.Lock(); }
  ~SpinGuard() { lock_.Unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace narthex::sdk::internal
