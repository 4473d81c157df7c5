#include "promql/functions/window_sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "promql/functions/wide.h"

#define NARTHEX_INLINE inline __attribute__((always_inline))

namespace narthex::promql {
namespace {

// One number for each of some neighbouring windows: a register of AVX2. A wider type, as one of
// AVX-512 would hold it, is kept in memory by the compiler where there is none, and so are structs
// of several: every operation then waits for its operands to come back.
constexpr size_t kWidth = 4;
using Lanes __attribute__((vector_size(kWidth * sizeof(double)))) = double;
// So many registers are filled at once, whose additions do not wait for each other.
constexpr size_t kRegisters = 2;
constexpr size_t kLanes = kWidth * kRegisters;

// CompensatedSum without its care for infinities: what is not finite in the end is summed anew.
// The error of an addition is found without a comparison. Source: Knuth, TAOCP 2, 4.2.2, theorem B.
struct LaneSums {
  Lanes sum{};
  Lanes lost{};

  NARTHEX_INLINE void Add(const Lanes& x) {
    const Lanes total = sum + x;
    const Lanes added = total - sum;
    lost += (sum - (total - added)) + (x - added);
    sum = total;
  }
};
NARTHEX_INLINE CompensatedSum SumAt(const LaneSums* sums, size_t lane) {
  const LaneSums& sum = sums[lane / kWidth];
  return {sum.sum[lane % kWidth], sum.lost[lane % kWidth]};
}

// The windows of neighbouring steps. Where there are fewer than lanes, the last one repeats.
struct Block {
  NARTHEX_INLINE Block(const WindowBounds& bounds, size_t first_step) {
    common = bounds.ends()[first_step] - bounds.begins()[first_step];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      step[lane] = std::min(first_step + lane, bounds.steps() - 1);
      begin[lane] = bounds.begins()[step[lane]];
      end[lane] = bounds.ends()[step[lane]];
      common = std::min<size_t>(common, end[lane] - begin[lane]);
      adjacent &= begin[lane] == begin[0] + lane;
    }
  }

  // Sample `k` of each window. REQUIRES: k < common.
  NARTHEX_INLINE void Load(const double* column, size_t k, size_t r, Lanes& x) const {
    if (adjacent) {
      std::memcpy(&x, column + begin[0] + r * kWidth + k, sizeof(x));
    } else {
      const uint32_t* const at = begin.data() + r * kWidth;
      x = Lanes{column[at[0] + k], column[at[1] + k], column[at[2] + k], column[at[3] + k]};
    }
  }

  std::array<size_t, kLanes> step;
  std::array<uint32_t, kLanes> begin;
  std::array<uint32_t, kLanes> end;
  size_t common;         // Samples that every window has.
  bool adjacent = true;  // Each window begins one sample behind the one before.
};

// Calls visit(block) until every step has had its turn.
template <class Visit>
NARTHEX_INLINE void ForEachBlock(const WindowBounds& bounds, Visit&& visit) {
  const size_t steps = bounds.steps();
  const size_t last = steps > kLanes ? steps - kLanes : 0;
  for (size_t first = 0;; first += kLanes) {
    visit(Block(bounds, std::min(first, last)));
    if (first >= last || bounds.watch().Spend(kLanes)) return;
  }
}

// The whole of a window's sum: that of what all windows of the block have is in
// `sum`. `term(i)` is the one of sample i.
template <class Term>
NARTHEX_INLINE CompensatedSum Finish(CompensatedSum sum, const Block& block, size_t lane,
                                     Watch& watch, Term&& term) {
  const size_t end = block.end[lane];
  const auto add_from = [&](size_t i) __attribute__((always_inline)) {
    for (size_t to; (to = watch.Stretch(i, end)) > i;) {
      for (; i < to; ++i) sum.Add(term(i));
    }
  };
  add_from(block.begin[lane] + block.common);
  if (std::isfinite(sum.Both())) [[likely]]
    return sum;
  sum = {};
  add_from(block.begin[lane]);
  return sum;
}

// Seconds of samples relative to the origins of a block's windows.
class LaneTimes {
 public:
  NARTHEX_INLINE LaneTimes(const RelativeTimes& x, const WindowBounds& bounds, const double* ms,
                           const Block& block)
      : x_(x), ms_(ms), block_(block), spacing_ms_(bounds.spacing_ms()) {
    first_ms_ = OffsetMs(0);
    same_ = spacing_ms_ != 0;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      same_ &= OffsetMs(lane) == first_ms_;
      origin_[lane] = static_cast<double>(x.origins[block.step[lane]] - x.times[0]);
    }
  }

  // Of sample `k` of each window.
  NARTHEX_INLINE void Load(size_t k, size_t r, Lanes& seconds) const {
    if (same_) {
      const double s = static_cast<double>(first_ms_ + static_cast<int64_t>(k) * spacing_ms_) / 1e3;
      seconds = Lanes{s, s, s, s};
      return;
    }
    const double* const origin = origin_.data() + r * kWidth;
    block_.Load(ms_, k, r, seconds);
    seconds = (seconds - Lanes{origin[0], origin[1], origin[2], origin[3]}) / 1e3;
  }
  NARTHEX_INLINE double At(size_t lane, size_t i) const {
    return static_cast<double>(x_.times[i] - x_.origins[block_.step[lane]]) / 1e3;
  }

 private:
  NARTHEX_INLINE int64_t OffsetMs(size_t lane) const {
    return x_.times[block_.begin[lane]] - x_.origins[block_.step[lane]];
  }

  const RelativeTimes& x_;
  const double* ms_;  // Of each sample, relative to the first.
  const Block& block_;
  const int64_t spacing_ms_;
  int64_t first_ms_;
  bool same_;  // All windows have the same relative times.
  std::array<double, kLanes> origin_;
};

std::vector<double> RelativeMs(std::span<const model::Timestamp> times) {
  std::vector<double> ms(times.size());
  for (size_t i = 0; i < times.size(); ++i) ms[i] = static_cast<double>(times[i] - times[0]);
  return ms;
}

struct Variance {
  CompensatedSum mean;
  CompensatedSum squares;

  void Add(double value, size_t count) {
    const double delta = value - mean.Both();
    mean.Add(delta / static_cast<double>(count));
    squares.Add(delta * (value - mean.Both()));
  }
};

}  // namespace

NARTHEX_WIDE void SumWindows(std::span<const double> values, const WindowBounds& bounds,
                             CompensatedSum* sums) {
  const double* const v = values.data();
  ForEachBlock(bounds, [&](const Block& block) __attribute__((always_inline)) {
    LaneSums sum[kRegisters];
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        for (size_t r = 0; r < kRegisters; ++r) {
          Lanes x;
          block.Load(v, k, r, x);
          sum[r].Add(x);
        }
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[block.step[lane]] =
          Finish(SumAt(sum, lane), block, lane, bounds.watch(), [v](size_t i) { return v[i]; });
    }
  });
}

NARTHEX_WIDE void WindowVariances(std::span<const double> values, const WindowBounds& bounds,
                                  double* variances) {
  const double* const v = values.data();
  ForEachBlock(bounds, [&](const Block& block) __attribute__((always_inline)) {
    LaneSums mean[kRegisters];
    LaneSums squares[kRegisters];
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        for (size_t r = 0; r < kRegisters; ++r) {
          Lanes x;
          block.Load(v, k, r, x);
          const Lanes delta = x - (mean[r].sum + mean[r].lost);
          mean[r].Add(delta / static_cast<double>(k + 1));
          squares[r].Add(delta * (x - (mean[r].sum + mean[r].lost)));
        }
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t size = block.end[lane] - block.begin[lane];
      Variance variance{SumAt(mean, lane), SumAt(squares, lane)};
      const auto add_from = [&](size_t k) {
        for (size_t to; (to = bounds.watch().Stretch(k, size)) > k;) {
          for (; k < to; ++k) variance.Add(v[block.begin[lane] + k], k + 1);
        }
      };
      add_from(block.common);
      if (!std::isfinite(variance.squares.Both()) || !std::isfinite(variance.mean.Both())) {
        variance = {};
        add_from(0);
      }
      variances[block.step[lane]] = variance.squares.Both() / static_cast<double>(size);
    }
  });
}

namespace {

template <bool squared>
NARTHEX_INLINE void SumOfTimes(const RelativeTimes& x, const WindowBounds& bounds, double* sums) {
  const std::vector<double> ms = RelativeMs(x.times);
  ForEachBlock(bounds, [&](const Block& block) __attribute__((always_inline)) {
    const LaneTimes times(x, bounds, ms.data(), block);
    LaneSums sum[kRegisters];
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        for (size_t r = 0; r < kRegisters; ++r) {
          Lanes seconds;
          times.Load(k, r, seconds);
          sum[r].Add(squared ? seconds * seconds : seconds);
        }
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[block.step[lane]] = Finish(SumAt(sum, lane), block, lane, bounds.watch(), [&](size_t i) {
                                 const double seconds = times.At(lane, i);
                                 return squared ? seconds * seconds : seconds;
                               }).Both();
    }
  });
}

}  // namespace

NARTHEX_WIDE void SumTimes(const RelativeTimes& x, const WindowBounds& bounds, double* sums) {
  SumOfTimes<false>(x, bounds, sums);
}

NARTHEX_WIDE void SumSquaredTimes(const RelativeTimes& x, const WindowBounds& bounds,
                                  double* sums) {
  SumOfTimes<true>(x, bounds, sums);
}

NARTHEX_WIDE void SumProducts(const RelativeTimes& x, std::span<const double> values,
                              const WindowBounds& bounds, double* sums, double* products) {
  const std::vector<double> ms = RelativeMs(x.times);
  const double* const v = values.data();
  ForEachBlock(bounds, [&](const Block& block) __attribute__((always_inline)) {
    const LaneTimes times(x, bounds, ms.data(), block);
    LaneSums plain[kRegisters];
    LaneSums weighted[kRegisters];
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        for (size_t r = 0; r < kRegisters; ++r) {
          Lanes value;
          Lanes seconds;
          block.Load(v, k, r, value);
          times.Load(k, r, seconds);
          plain[r].Add(value);
          weighted[r].Add(seconds * value);
        }
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t step = block.step[lane];
      sums[step] = Finish(SumAt(plain, lane), block, lane, bounds.watch(), [v](size_t i) {
                     return v[i];
                   }).Both();
      products[step] = Finish(SumAt(weighted, lane), block, lane, bounds.watch(), [&](size_t i) {
                         return times.At(lane, i) * v[i];
                       }).Both();
    }
  });
}

}  // namespace narthex::promql
