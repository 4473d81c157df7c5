#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

// Applies `of(values)` to the values of each window.
template <class Of>
void PerWindow(const WindowCall& call, const SampleColumns& samples, Row& row, Of&& of) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    row.Set(step, of(std::span(samples.v).subspan(begin, end - begin)));
  });
}

double Seconds(model::Timestamp t) { return static_cast<double>(t) / 1000; }

// Prefix sums where they are exact, so that they equal any compensated sum: whole numbers whose
// sums all stay below 2^53. Empty where that does not hold.
std::vector<double> ExactPrefixSums(const std::vector<double>& values) {
  constexpr double kExactMax = 0x1p53;
  std::vector<double> sums(values.size() + 1);
  double magnitude = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    magnitude += std::fabs(values[i]);
    // The comparison is false for NaN.
    if (!(magnitude < kExactMax) || values[i] != std::trunc(values[i])) return {};
    sums[i + 1] = sums[i] + values[i];
  }
  return sums;
}

// The sums of all windows by prefix sums, divided by the count where `mean`. False where they would
// not be exact. Short windows are summed faster directly.
bool SumExactly(const WindowCall& call, const SampleColumns& samples, Row& row, bool mean) {
  if (call.windows.steps < 2) return false;
  const std::vector<double> sums = ExactPrefixSums(samples.v);
  if (sums.empty()) return false;
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
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
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    for (taken = std::max(taken, begin); taken < end; ++taken) {
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

double Variance(std::span<const double> values) {
  double count = 0;
  CompensatedSum mean;
  CompensatedSum squares;
  for (const double value : values) {
    ++count;
    const double delta = value - (mean.sum + mean.lost);
    mean.Add(delta / count);
    squares.Add(delta * (value - (mean.sum + mean.lost)));
  }
  return (squares.sum + squares.lost) / count;
}

}  // namespace

double Quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  std::ranges::sort(values, [](double a, double b) {
    return std::isnan(a) ? !std::isnan(b) : a < b;  // NaN comes first.
  });
  const auto count = static_cast<double>(values.size());
  const double rank = q * (count - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(count - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return values[static_cast<size_t>(lower)] * (1 - weight) +
         values[static_cast<size_t>(upper)] * weight;
}

void SumOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  if (SumExactly(call, samples, row, false)) return;
  PerWindow(call, samples, row, [](std::span<const double> values) {
    CompensatedSum sum;
    for (const double value : values) sum.Add(value);
    return sum.Total();
  });
}

void AvgOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  if (SumExactly(call, samples, row, true)) return;
  PerWindow(call, samples, row, [](std::span<const double> values) {
    CompensatedMean mean;
    for (const double value : values) mean.Add(value);
    return mean.Mean();
  });
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
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    row.Set(step, static_cast<double>(end - begin));
  });
}

void PresentOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t, size_t) { row.Set(step, 1); });
}

void FirstOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t,
                [&](size_t step, size_t begin, size_t) { row.Set(step, samples.v[begin]); });
}

void LastOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t,
                [&](size_t step, size_t, size_t end) { row.Set(step, samples.v[end - 1]); });
}

void TsOfFirstOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t) {
    row.Set(step, Seconds(samples.t[begin]));
  });
}

void TsOfLastOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t, size_t end) {
    row.Set(step, Seconds(samples.t[end - 1]));
  });
}

void StddevOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  PerWindow(call, samples, row,
            [](std::span<const double> values) { return std::sqrt(Variance(values)); });
}

void StdvarOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  PerWindow(call, samples, row, Variance);
}

void QuantileOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  std::vector<double> sorted;
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    sorted.assign(samples.v.begin() + static_cast<ptrdiff_t>(begin),
                  samples.v.begin() + static_cast<ptrdiff_t>(end));
    row.Set(step, Quantile(call.scalars[0][step], sorted));
  });
}

void MadOverTime(const WindowCall& call, const SampleColumns& samples, Row& row) {
  std::vector<double> sorted;
  PerWindow(call, samples, row, [&](std::span<const double> values) {
    // Sorting would put a NaN first and hide it.
    for (const double value : values) {
      if (std::isnan(value)) return value;
    }
    sorted.assign(values.begin(), values.end());
    const double median = Quantile(0.5, sorted);
    for (double& value : sorted) value = std::fabs(value - median);
    return Quantile(0.5, sorted);
  });
}

}  // namespace narthex::promql
