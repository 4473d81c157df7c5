#include <cmath>
#include <limits>

#include "promql/functions/kernels.h"
#include "promql/functions/window_sums.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

struct Line {
  double slope;
  double intercept;
};

// Where the run of equal values that begins at each position ends.
std::vector<size_t> RunEnds(const std::vector<double>& values, Watch& watch) {
  std::vector<size_t> ends(values.size());
  for (size_t i = values.size(); i-- > 0;) {
    if (watch.Spend(1)) break;
    const bool goes_on = i + 1 < values.size() && values[i] == values[i + 1];
    ends[i] = goes_on ? ends[i + 1] : i + 1;
  }
  return ends;
}

Line LineOfConstant(double value) {
  if (!std::isinf(value)) return {0, value};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {nan, nan};
}

// Least squares over each window of two samples at least, times in seconds relative to
// origin_of(step, window's first sample). Calls emit(step, line).
// Source: upstream's linearRegression, with its compensated sums and its answer for constants.
template <class Origin, class Emit>
void FitWindows(const WindowCall& call, const SampleColumns& samples, Origin&& origin_of,
                Emit&& emit) {
  WindowBounds& bounds = call.BoundsOf(samples.t);
  const size_t steps = bounds.steps();
  std::vector<model::Timestamp> origins(steps);
  bounds.watch().InStretches(0, steps, [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) {
      origins[step] = bounds.Has(step) ? origin_of(step, bounds.begins()[step]) : 0;
    }
  });
  const RelativeTimes times{samples.t, origins.data()};
  const double* const sum_x =
      bounds.Column(0, [&](double* sums) { SumTimes(times, bounds, sums); });
  const double* const sum_xx =
      bounds.Column(1, [&](double* sums) { SumSquaredTimes(times, bounds, sums); });
  std::vector<double> sum_y(steps);
  std::vector<double> sum_xy(steps);
  SumProducts(times, samples.v, bounds, sum_y.data(), sum_xy.data());
  const std::vector<size_t> run_ends = RunEnds(samples.v, bounds.watch());
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    if (end - begin < 2) return;
    if (run_ends[begin] >= end) return emit(step, LineOfConstant(samples.v[begin]));
    const auto count = static_cast<double>(end - begin);
    const double x = sum_x[step];
    const double y = sum_y[step];
    const double covariance = sum_xy[step] - x * y / count;
    const double variance = sum_xx[step] - x * x / count;
    const double slope = covariance / variance;
    emit(step, Line{slope, y / count - slope * x / count});
  });
}

}  // namespace

void Deriv(const WindowCall& call, const SampleColumns& samples, Row& row) {
  // The first time as origin keeps precision where timestamps are large.
  FitWindows(
      call, samples, [&](size_t, size_t first) { return samples.t[first]; },
      [&](size_t step, const Line& line) { row.Set(step, line.slope); });
}

void PredictLinear(const WindowCall& call, const SampleColumns& samples, Row& row) {
  FitWindows(
      call, samples, [&](size_t step, size_t) { return call.grid.At(step); },
      [&](size_t step, const Line& line) {
        row.Set(step, line.slope * call.scalars[0][step] + line.intercept);
      });
}

// Source: Holt's linear method as upstream's double_exponential_smoothing().
void DoubleExponentialSmoothing(const WindowCall& call, const SampleColumns& samples, Row& row) {
  const WindowBounds& bounds = call.BoundsOf(samples.t);
  bounds.ForEach([&](size_t step, size_t begin, size_t end) {
    if (end - begin < 2) return;
    const double smoothing = call.scalars[0][step];
    const double trend_factor = call.scalars[1][step];
    double before = 0;
    double level = samples.v[begin];
    double trend = samples.v[begin + 1] - samples.v[begin];
    for (size_t i = begin + 1; i < end; ++i) {
      if (bounds.watch().Spend(1)) return;
      const double scaled = smoothing * samples.v[i];
      if (i > begin + 1) trend = trend_factor * (level - before) + (1 - trend_factor) * trend;
      before = level;
      level = scaled + (1 - smoothing) * (level + trend);
    }
    row.Set(step, level);
  });
}

}  // namespace narthex::promql
