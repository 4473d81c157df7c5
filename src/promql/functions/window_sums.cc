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

constexpr size_t kLanes = 8;
using Lanes __attribute__((vector_size(kLanes * sizeof(double)))) = double;

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
  NARTHEX_INLINE CompensatedSum At(size_t lane) const { return {sum[lane], lost[lane]}; }
};

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
  NARTHEX_INLINE void Load(const double* column, size_t k, Lanes& x) const {
    if (adjacent) {
      std::memcpy(&x, column + begin[0] + k, sizeof(x));
    } else {
      for (size_t lane = 0; lane < kLanes; ++lane) x[lane] = column[begin[lane] + k];
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
    if (first >= last) return;
  }
}

// The rest of a window's sum, whose first `k` terms are in `sum`. `term(i)` is that of sample i.
template <class Term>
NARTHEX_INLINE CompensatedSum Finish(CompensatedSum sum, const Block& block, size_t lane, size_t k,
                                     Term&& term) {
  for (size_t i = block.begin[lane] + k; i < block.end[lane]; ++i) sum.Add(term(i));
  if (std::isfinite(sum.Both())) [[likely]]
    return sum;
  sum = {};
  for (size_t i = block.begin[lane]; i < block.end[lane]; ++i) sum.Add(term(i));
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
  NARTHEX_INLINE void Load(size_t k, Lanes& seconds) const {
    if (same_) {
      const double s = static_cast<double>(first_ms_ + static_cast<int64_t>(k) * spacing_ms_) / 1e3;
      for (size_t lane = 0; lane < kLanes; ++lane) seconds[lane] = s;
    } else {
      block_.Load(ms_, k, seconds);
      seconds = (seconds - origin_) / 1e3;
    }
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
  Lanes origin_;
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
    LaneSums lanes;
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        Lanes x;
        block.Load(v, k, x);
        lanes.Add(x);
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[block.step[lane]] =
          Finish(lanes.At(lane), block, lane, block.common, [v](size_t i) { return v[i]; });
    }
  });
}

NARTHEX_WIDE void WindowVariances(std::span<const double> values, const WindowBounds& bounds,
                                  double* variances) {
  const double* const v = values.data();
  ForEachBlock(bounds, [&](const Block& block) __attribute__((always_inline)) {
    LaneSums mean;
    LaneSums squares;
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        Lanes x;
        block.Load(v, k, x);
        const Lanes delta = x - (mean.sum + mean.lost);
        mean.Add(delta / static_cast<double>(k + 1));
        squares.Add(delta * (x - (mean.sum + mean.lost)));
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t size = block.end[lane] - block.begin[lane];
      Variance variance{mean.At(lane), squares.At(lane)};
      for (size_t k = block.common; k < size; ++k) {
        variance.Add(v[block.begin[lane] + k], k + 1);
      }
      if (!std::isfinite(variance.squares.Both()) || !std::isfinite(variance.mean.Both())) {
        variance = {};
        for (size_t k = 0; k < size; ++k) variance.Add(v[block.begin[lane] + k], k + 1);
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
    LaneSums lanes;
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        Lanes seconds;
        times.Load(k, seconds);
        lanes.Add(squared ? seconds * seconds : seconds);
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[block.step[lane]] = Finish(lanes.At(lane), block, lane, block.common, [&](size_t i) {
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
    LaneSums plain;
    LaneSums weighted;
    for (size_t k = 0, to; (to = bounds.watch().Stretch(k, block.common)) > k;) {
      for (; k < to; ++k) {
        Lanes value;
        Lanes seconds;
        block.Load(v, k, value);
        times.Load(k, seconds);
        plain.Add(value);
        weighted.Add(seconds * value);
      }
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t step = block.step[lane];
      sums[step] =
          Finish(plain.At(lane), block, lane, block.common, [v](size_t i) { return v[i]; }).Both();
      products[step] = Finish(weighted.At(lane), block, lane, block.common, [&](size_t i) {
                         return times.At(lane, i) * v[i];
                       }).Both();
    }
  });
}

}  // namespace narthex::promql
