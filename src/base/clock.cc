#include "base/clock.h"

#include <chrono>

namespace narthex::base {
namespace {

template <class Unit, class TimePoint>
int64_t Since(TimePoint now) {
  return std::chrono::duration_cast<Unit>(now.time_since_epoch()).count();
}

class RealClock final : public Clock {
 public:
  int64_t WallMs() const override {
    return Since<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
  int64_t WallNs() const override {
    return Since<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  }
  int64_t MonotonicNs() const override {
    return Since<std::chrono::nanoseconds>(std::chrono::steady_clock::now());
  }
};

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

}  // namespace narthex::base
