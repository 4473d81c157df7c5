#pragma once

#include <algorithm>
#include <chrono>

namespace narthex::demo {

// How long to wait before the next try: 1 s, 2 s, 4 s … 30 s. A value.
class Backoff {
 public:
  std::chrono::milliseconds Next() {
    const std::chrono::milliseconds delay = next_;
    next_ = std::min(next_ * 2, kMax);
    return delay;
  }
  void Reset() { next_ = kFirst; }

 private:
  static constexpr std::chrono::milliseconds kFirst{1000};
  static constexpr std::chrono::milliseconds kMax{30'000};
  std::chrono::milliseconds next_ = kFirst;
};

}  // namespace narthex::demo
