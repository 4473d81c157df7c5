#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "promql/functions/kernels.h"
#include "promql/functions/window_sums.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

// Applies `of(values)` to the values of each window.
template <class Of>
void PerWindow(const WindowCall& call, const SampleColumns& samples, Row& row, Of&& of) {
  call.BoundsOf(samples.t).ForEach([&](size_t step, size_t begin, size_t end) {
    row.Set(step, of(std::span(samples.v).subspan(begin, end - begin)));
  });
}

double Seconds(model::Timestamp t) { return static_cast<double>(t) / 1000; }

// Prefix sums where they are exact, so that they equal any compensated sum: whole numbers whose
// sums all stay below 2^53. Empty where that does not hold.
std::vector<double> ExactPrefixSums(const std::vector<double>& values, Watch& watch) {
  constexpr double kExactMax = 0x1p53;
  std::vector<double> sums(values.size() + 1);
  double magnitude = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    magnitude += std::fabs(values[i]);
    // The first comparison is false for NaN.
    if (watch.Spend(1) || !(magnitude < kExactMax) || values[i] != std::trunc(values[i])) return {};
    sums[i + 1] = sums[i] + values[i];
  }
  return sums;
}

// The sums of all windows by prefix sums, divided by the count where `mean`. False where they would
// not be exact. Short windows are summed faster directly.
bool SumExactly(const WindowCall& call, const SampleColumns& samples, Row& row, bool mean) {
  if (call.windows.steps < 2) return false;
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  const std::vector<double> sums = ExactPrefixSums(samples.v, bounds.watch());
  if (sums.empty()) return false;
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    const double sum = sums[end] - sums[begin];
    row.Set(step, mean ? sum / static_cast<double>(end - begin) : sum);
  });
  return true;
}

// The position of the extreme value of each window, by a deque of candidates: O(samples). `beats(a,
// b)` says that value a, which comes later, replaces b. NaN never beats a number.
template <class Beats, class Emit>
void SlidingExtreme(const WindowCall& call, const SampleColumns& samples, Beats&& beats,
                    Emit&& emit) {
  std::vector<size_t> candidates;  // Positions from `front` on; each beats those behind it.
  size_t front = 0;
  size_t taken = 0;
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    for (taken = std::max(taken, begin); taken < end; ++taken) {
      if (bounds.watch().Spend(1)) return;
      const double value = samples.v[taken];
      while (candidates.size() > front && beats(value, samples.v[candidates.back()])) {
        candidates.pop_back();
      }
      candidates.push_back(taken);
    }
    while (candidates[front] < begin) ++front;
    emit(step, candidates[front]);
  });
}

bool LessOrNan(double later, double earlier) {
  return later < earlier || (std::isnan(earlier) && !std::isnan(later));
}
bool GreaterOrNan(double later, double earlier) {
  return later > earlier || (std::isnan(earlier) && !std::isnan(later));
}

// The variance of every window, or its root.
void Variances(const WindowCall& call, const SampleColumns& samples, Row& row, bool root) {
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  WindowVariances(samples.v, bounds, row.values);
  bounds.watch().InStretches(0, root ? bounds.steps() : 0, [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) row.values[step] = std::sqrt(row.values[step]);
  });
  row.SetPresent(bounds.present());
}

// Sums of all windows, or their means.
void SumInLanes(const WindowCall& call, const SampleColumns& samples, Row& row, bool mean) {
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  std::vector<CompensatedSum> sums(bounds.steps());
  SumWindows(samples.v, bounds, sums.data());
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    const CompensatedSum& sum = sums[step];
    if (!mean) {
      row.values[step] = sum.Total();
    } else if (std::isfinite(sum.sum)) {
      row.values[step] = CompensatedMean{sum, static_cast<double>(end - begin)}.Mean();
    } else {
      // Beyond the largest double: the mean goes on without the sum.
      CompensatedMean running;
      for (size_t i = begin; i < end; ++i) running.Add(samples.v[i]);
      row.values[step] = running.Mean();
    }
  });
  row.SetPresent(bounds.present());
}

// A total order, so that what is sorted is the same however it came about: NaN first, minus zero
// before zero.
bool SortsBefore(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && !std::isnan(b);
  return a < b || (a == b && std::signbit(a) && !std::signbit(b));
}

// Sorts in pieces that are merged in pairs, so that a query which ends need not wait for all of it.
void SortWatched(std::vector<double>& values, Watch& watch) {
  const size_t count = values.size();
  const auto sort = [&](size_t from, size_t to) {
    std::sort(values.begin() + static_cast<ptrdiff_t>(from),
              values.begin() + static_cast<ptrdiff_t>(to), SortsBefore);
  };
  if (!watch.InStretches(0, count, sort) || count <= Watch::kStretch) return;
  std::vector<double> merged(count);
  for (size_t run = Watch::kStretch; run < count; run *= 2) {
    for (size_t begin = 0; begin < count; begin += 2 * run) {
      size_t left = begin;
      size_t right = std::min(begin + run, count);
      const size_t left_end = right;
      const size_t end = std::min(begin + 2 * run, count);
      const auto merge = [&](size_t from, size_t to) {
        for (size_t i = from; i < to; ++i) {
          const bool take_right =
              left == left_end || (right < end && SortsBefore(values[right], values[left]));
          merged[i] = values[take_right ? right++ : left++];
        }
      };
      if (!watch.InStretches(begin, end, merge)) return;
    }
    values.swap(merged);
  }
}

// The values of windows that move forward, sorted. What enters and leaves is found by bisection.
class SortedWindow {
 public:
  SortedWindow(const std::vector<double>& values, Watch& watch) : values_(values), watch_(watch) {}

  const std::vector<double>& MoveTo(size_t begin, size_t end) {
    const size_t changes = (begin - begin_) + (end - end_);
    // Sorting costs some log(n) comparisons a value, moving one place half a window.
    if (begin >= end_ || changes > kChangesMax) {
      sorted_.assign(values_.begin() + static_cast<ptrdiff_t>(begin),
                     values_.begin() + static_cast<ptrdiff_t>(end));
      SortWatched(sorted_, watch_);
    } else {
      for (size_t i = begin_; i < begin; ++i) sorted_.erase(Find(values_[i]));
      for (size_t i = end_; i < end; ++i) sorted_.insert(Find(values_[i]), values_[i]);
    }
    begin_ = begin;
    end_ = end;
    return sorted_;
  }

 private:
  static constexpr size_t kChangesMax = 64;

  std::vector<double>::iterator Find(double value) {
    return std::ranges::lower_bound(sorted_, value, SortsBefore);
  }

  const std::vector<double>& values_;
  Watch& watch_;
  std::vector<double> sorted_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// REQUIRES: sorted, not empty.
double QuantileOfSorted(double q, const std::vector<double>& values) {
  if (std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  const auto count = static_cast<double>(values.size());
  const double rank = q * (count - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(count - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return values[static_cast<size_t>(lower)] * (1 - weight) +
         values[static_cast<size_t>(upper)] * weight;
}

}  // namespace

double Quantile(double q, std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::ranges::sort(values, SortsBefore);
  return QuantileOfSorted(q, values);
}

void SumOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  if (!SumExactly(call, samples, row, false)) SumInLanes(call, samples, row, false);
}

void AvgOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  if (!SumExactly(call, samples, row, true)) SumInLanes(call, samples, row, true);
}

void MinOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  SlidingExtreme(call, samples, LessOrNan,
                 [&](size_t step, size_t at) { row.Set(step, samples.v[at]); });
}

void MaxOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  SlidingExtreme(call, samples, GreaterOrNan,
                 [&](size_t step, size_t at) { row.Set(step, samples.v[at]); });
}

// Of equal extremes, the newest.
void TsOfMinOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  SlidingExtreme(
      call, samples,
      [](double later, double earlier) { return later <= earlier || std::isnan(earlier); },
      [&](size_t step, size_t at) { row.Set(step, Seconds(samples.t[at])); });
}

void TsOfMaxOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  SlidingExtreme(
      call, samples,
      [](double later, double earlier) { return later >= earlier || std::isnan(earlier); },
      [&](size_t step, size_t at) { row.Set(step, Seconds(samples.t[at])); });
}

void CountOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  call.BoundsOf(samples.t).ForEach([&](size_t step, size_t begin, size_t end) {
    row.Set(step, static_cast<double>(end - begin));
  });
}

void PresentOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  call.BoundsOf(samples.t).ForEach([&](size_t step, size_t, size_t) { row.Set(step, 1); });
}

void FirstOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  call.BoundsOf(samples.t).ForEach(
      [&](size_t step, size_t begin, size_t) { row.Set(step, samples.v[begin]); });
}

void LastOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  call.BoundsOf(samples.t).ForEach(
      [&](size_t step, size_t, size_t end) { row.Set(step, samples.v[end - 1]); });
}

void TsOfFirstOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  call.BoundsOf(samples.t).ForEach(
      [&](size_t step, size_t begin, size_t) { row.Set(step, Seconds(samples.t[begin])); });
}

void TsOfLastOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  call.BoundsOf(samples.t).ForEach(
      [&](size_t step, size_t, size_t end) { row.Set(step, Seconds(samples.t[end - 1])); });
}

void StddevOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  Variances(call, samples, row, true);
}

void StdvarOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  Variances(call, samples, row, false);
}

void QuantileOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  SortedWindow window(samples.v, bounds.watch());
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    row.Set(step, QuantileOfSorted(call.scalars[0][step], window.MoveTo(begin, end)));
  });
}

void MadOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  std::vector<double> sorted;
  Watch& watch = call.BoundsOf(samples.t).watch();
  PerWindow(call, samples, row, [&](std::span<const double> values) {
    // Sorting would put a NaN first and hide it.
    for (const double value : values) {
      if (std::isnan(value)) return value;
    }
    sorted.assign(values.begin(), values.end());
    SortWatched(sorted, watch);
    const double median = QuantileOfSorted(0.5, sorted);
    for (double& value : sorted) value = std::fabs(value - median);
    SortWatched(sorted, watch);
    return QuantileOfSorted(0.5, sorted);
  });
}

}  // namespace narthex::promql
