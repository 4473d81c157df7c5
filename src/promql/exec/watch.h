#pragma once

#include <algorithm>
#include <cstddef>

#include "promql/exec/context.h"

namespace narthex::promql {

// Looks now and then whether a query has ended, within work on one series that may have millions of
// samples or steps. Whoever learns that stops where it is and leaves anything behind: the query
// gives its error, not its result. One thread at a time.
class Watch {
 public:
  static constexpr size_t kStretch = size_t{1} << 16;  // Samples between two looks; 0.1 ms or so.

  Watch() = default;  // Of a query that never ends.
  explicit Watch(Budget& budget) : budget_(&budget) {}

  // Takes note of work on so many samples. True when the query has ended.
  bool Spend(size_t samples) {
    spent_ += samples;
    if (spent_ >= kStretch) [[unlikely]] {
      spent_ = 0;
      ended_ = ended_ || (budget_ != nullptr && budget_->Ended());
    }
    return ended_;
  }

  // Calls visit(from, to) for stretches of [begin, end) in order. False when the query has ended.
  template <class Visit>
  [[gnu::always_inline]] bool InStretches(size_t begin, size_t end, Visit&& visit) {
    while (begin < end) {
      const size_t to = std::min(begin + kStretch, end);
      if (Spend(to - begin)) return false;
      visit(begin, to);
      begin = to;
    }
    return true;
  }

 private:
  Budget* budget_ = nullptr;
  size_t spent_ = 0;
  bool ended_ = false;
};

}  // namespace narthex::promql
