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
  // Samples between two looks; 0.1 ms or so. A multiple of 64, as StepRange
  // wants it.
  static constexpr size_t kStretch = size_t{1} << 16;

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

  // Where the stretch of [begin, end) that begins there ends; `begin` when the query has ended. For
  // loops that keep what they have in registers:
  //   for (size_t i = 0, to; (to = watch.Stretch(i, count)) > i;) {
  //     for (; i < to; ++i) sum += values[i];
  //   }
  size_t Stretch(size_t begin, size_t end) {
    const size_t to = std::min(begin + kStretch, end);
    return begin < end && Spend(to - begin) ? begin : to;
  }

  // Calls visit(from, to) for stretches of [begin, end) in order. False when the query has ended.
  template <class Visit>
  bool InStretches(size_t begin, size_t end, Visit&& visit) {
    for (size_t to; (to = Stretch(begin, end)) > begin; begin = to) visit(begin, to);
    return begin >= end;
  }

 private:
  Budget* budget_ = nullptr;
  size_t spent_ = 0;
  bool ended_ = false;
};

}  // namespace narthex::promql
