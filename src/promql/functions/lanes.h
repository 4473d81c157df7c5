#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "promql/exec/window.h"

namespace narthex::promql {

// Sums over the windows of several steps at once. Each lane is one window and takes its samples in
// order, so that the results are those of one window after the other, to the last bit; but the
// lanes' chains of additions do not wait for each other.

struct Window {
  size_t step = 0;
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

template <size_t lanes>
using WindowBlock = std::array<Window, lanes>;

// CompensatedSum, one per lane.
template <size_t lanes>
struct SumLanes {
  std::array<double, lanes> sum{};
  std::array<double, lanes> lost{};

  void Add(size_t lane, double x) {
    const double before = sum[lane];
    const double total = before + x;
    const bool sum_is_larger = std::fabs(before) >= std::fabs(x);
    const double large = sum_is_larger ? before : x;
    const double small = sum_is_larger ? x : before;
    const double next = lost[lane] + ((large - total) + small);
    lost[lane] = std::fabs(total) == std::numeric_limits<double>::infinity() ? 0 : next;
    sum[lane] = total;
  }
  double Both(size_t lane) const { return sum[lane] + lost[lane]; }
};

// Calls add(lane, position, ordinal) for every sample of every window, those of a window in order,
// ordinals counted from 0. Lanes behind `used` repeat the first.
template <size_t lanes, class Add>
void ForEachSample(const WindowBlock<lanes>& block, size_t used, Add&& add) {
  size_t common = block[0].size();
  for (const Window& window : block) common = std::min(common, window.size());
  for (size_t k = 0; k < common; ++k) {
    for (size_t lane = 0; lane < lanes; ++lane) add(lane, block[lane].begin + k, k);
  }
  for (size_t lane = 0; lane < used; ++lane) {
    for (size_t k = common; k < block[lane].size(); ++k) add(lane, block[lane].begin + k, k);
  }
}

// Calls visit(block, used) for the windows that hold samples, in order.
template <size_t lanes, class Visit>
void ForEachBlock(const WindowCall& call, const model::SampleColumns& samples, Visit&& visit) {
  WindowBlock<lanes> block;
  size_t used = 0;
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    block[used++] = {step, begin, end};
    if (used < lanes) return;
    visit(block, used);
    used = 0;
  });
  if (used == 0) return;
  for (size_t lane = used; lane < lanes; ++lane) block[lane] = block[0];
  visit(block, used);
}

}  // namespace narthex::promql
