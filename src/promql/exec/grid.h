#pragma once

#include <cstddef>

#include "model/sample.h"

namespace narthex::promql {

// What a query asks for: the times of start() and end(). The last step can lie before the end.
struct QueryTimes {
  model::Timestamp start = 0;
  model::Timestamp end = 0;
  int64_t step_ms = 0;  // 0 for an instant query.
};

// The evaluation times of a query or subquery: `steps` times from `start` on. A value.
struct Grid {
  model::Timestamp start = 0;
  int64_t interval = 0;
  size_t steps = 1;

  model::Timestamp At(size_t step) const { return start + static_cast<int64_t>(step) * interval; }
  model::Timestamp Last() const { return At(steps - 1); }
  Grid FirstStep() const { return {start, interval, 1}; }
  bool operator==(const Grid&) const = default;
};

// Some of the steps of a row: [begin, end), where `begin` is a multiple of 64.
struct StepRange {
  size_t begin = 0;
  size_t end = 0;
};

// The windows (end - range, end] that a selector reads, one per step; open at the left.
struct Windows {
  model::Timestamp first_end = 0;
  int64_t interval = 0;  // 0 where `@` pins all windows to one time.
  size_t steps = 1;
  int64_t range = 0;

  model::Timestamp End(size_t step) const {
    return first_end + static_cast<int64_t>(step) * interval;
  }
  // All times that lie in some window or between two.
  model::TimeRange Span() const { return {first_end - range + 1, End(steps - 1)}; }
};

}  // namespace narthex::promql
