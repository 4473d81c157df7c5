#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "promql/exec/grid.h"
#include "promql/exec/tile.h"
#include "promql/exec/watch.h"

namespace narthex::promql {

// The first position from `at` on whose time is after `limit`, which mostly is near.
inline size_t FirstAfter(std::span<const model::Timestamp> times, size_t at,
                         model::Timestamp limit) {
  constexpr size_t kNear = 32;
  for (const size_t near = std::min(at + kNear, times.size()); at < near; ++at) {
    if (times[at] > limit) return at;
  }
  const auto rest = times.subspan(at);
  return at + static_cast<size_t>(std::ranges::upper_bound(rest, limit) - rest.begin());
}

// Calls visit(step, begin, end) for each window that holds samples [begin,
// end); no more when the query has ended. Both ends only move forward:
// O(samples + steps).
template <class Visit>
void ForEachWindow(const Windows& windows, std::span<const model::Timestamp> times, Watch& watch,
                   Visit&& visit) {
  size_t begin = 0;
  size_t end = 0;
  for (size_t step = 0; step < windows.steps; ++step) {
    if (watch.Spend(1)) return;
    const model::Timestamp last = windows.End(step);
    end = FirstAfter(times, end, last);
    begin = std::min(FirstAfter(times, begin, last - windows.range), end);
    if (begin < end) visit(step, begin, end);
  }
}

// Which samples the window of each step holds, for one series after the other. The series of a
// scrape have the same times, so what was found for the last series is kept and serves the next one
// where its times are equal. One thread at a time.
class WindowBounds {
 public:
  // `watch`: of the query that asks.
  explicit WindowBounds(const Windows& windows, Watch watch = {})
      : windows_(windows), watch_(watch) {}

  // Becomes that of a series with these times. REQUIRES: there is one.
  void MoveTo(std::span<const model::Timestamp> times);

  size_t steps() const { return windows_.steps; }
  // For work on the samples of a window, and over all of them.
  Watch& watch() const { return watch_; }
  // The window of a step holds samples [begin, end); both are 0 where it holds none.
  const uint32_t* begins() const { return begins_.data(); }
  const uint32_t* ends() const { return ends_.data(); }
  bool Has(size_t step) const { return ends_[step] != 0; }
  // A bit per step: those whose window holds one sample at least, two at least.
  std::span<const uint64_t> present() const { return present_; }
  std::span<const uint64_t> with_two() const { return with_two_; }
  // The distance of each sample to the next where all are the same, else 0.
  int64_t spacing_ms() const { return spacing_ms_; }

  // Numbers, one per step, that follow from the times alone: `compute(numbers)` fills column
  // `index` where the times are others than when it did last. A function has its own columns.
  template <class Compute>
  const double* Column(size_t index, Compute&& compute) {
    Derived& column = columns_[index];
    if (column.version != version_) {
      column.numbers.assign(windows_.steps, 0);
      compute(column.numbers.data());
      column.version = version_;
    }
    return column.numbers.data();
  }

  // Calls visit(step, begin, end) for each window that holds samples, in order; no more when the
  // query has ended.
  template <class Visit>
  void ForEach(Visit&& visit) const {
    ForEachPresent(present_.data(), windows_.steps, [&](size_t step) {
      const size_t begin = begins_[step];
      const size_t end = ends_[step];
      if (!watch_.Spend(end - begin)) visit(step, begin, end);
    });
  }

 private:
  struct Derived {
    uint64_t version = 0;
    std::vector<double> numbers;
  };

  const Windows windows_;
  mutable Watch watch_;
  std::vector<model::Timestamp> times_;  // What the bounds below are of.
  std::vector<uint32_t> begins_;
  std::vector<uint32_t> ends_;
  std::vector<uint64_t> present_;
  std::vector<uint64_t> with_two_;
  int64_t spacing_ms_ = 0;
  uint64_t version_ = 0;  // Counts the times that were different.
  std::array<Derived, 2> columns_;
};

}  // namespace narthex::promql
