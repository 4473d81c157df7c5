#pragma once

#include <atomic>
#include <chrono>
#include <memory>

namespace narthex::otlp {

// When the sender of a batch is to come again, as the server asks that refused it: found out far
// down a pipeline and told by who began it. Thread-safe.
class Throttle {
 public:
  // The longest wait of those that were asked for counts.
  void Ask(std::chrono::nanoseconds delay) {
    int64_t known = delay_ns_.load(std::memory_order_relaxed);
    while (known < delay.count() && !delay_ns_.compare_exchange_weak(known, delay.count())) {
    }
  }
  // 0 while nobody has asked.
  std::chrono::nanoseconds delay() const { return std::chrono::nanoseconds(delay_ns_.load()); }

 private:
  std::atomic<int64_t> delay_ns_{0};
};

using ThrottlePointer = std::shared_ptr<Throttle>;

}  // namespace narthex::otlp
