#include <array>
#include <cmath>
#include <limits>

#include "promql/functions/kernels.h"
#include "promql/functions/lanes.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

struct Line {
  double slope;
  double intercept;
};

// Where the run of equal values that begins at each position ends.
std::vector<size_t> RunEnds(const std::vector<double>& values) {
  std::vector<size_t> ends(values.size());
  for (size_t i = values.size(); i-- > 0;) {
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
// origin_of(window). Calls emit(step, line).
// Source: upstream's linearRegression, with its compensated sums and its answer for constants.
template <class Origin, class Emit>
void FitWindows(const WindowCall& call, const SampleColumns& samples, Origin&& origin_of,
                Emit&& emit) {
  constexpr size_t kLanes = 4;
  const std::vector<size_t> run_ends = RunEnds(samples.v);
  ForEachBlock<kLanes>(call, samples, [&](const WindowBlock<kLanes>& block, size_t used) {
    std::array<model::Timestamp, kLanes> origins;
    for (size_t lane = 0; lane < kLanes; ++lane) origins[lane] = origin_of(block[lane]);
    SumLanes<kLanes> x;
    SumLanes<kLanes> y;
    SumLanes<kLanes> xy;
    SumLanes<kLanes> xx;
    ForEachSample(block, used, [&](size_t lane, size_t at, size_t) {
      const double value = samples.v[at];
      const double t = static_cast<double>(samples.t[at] - origins[lane]) / 1e3;
      x.Add(lane, t);
      y.Add(lane, value);
      xy.Add(lane, t * value);
      xx.Add(lane, t * t);
    });
    for (size_t lane = 0; lane < used; ++lane) {
      const Window& window = block[lane];
      if (window.size() < 2) continue;
      if (run_ends[window.begin] >= window.end) {
        emit(window.step, LineOfConstant(samples.v[window.begin]));
        continue;
      }
      const auto count = static_cast<double>(window.size());
      const double sum_x = x.Both(lane);
      const double sum_y = y.Both(lane);
      const double covariance = xy.Both(lane) - sum_x * sum_y / count;
      const double variance = xx.Both(lane) - sum_x * sum_x / count;
      const double slope = covariance / variance;
      emit(window.step, Line{slope, sum_y / count - slope * sum_x / count});
    }
  });
}

}  // namespace

void Deriv(const WindowCall& call, const SampleColumns& samples, Row& row) {
  // The first time as origin keeps precision where timestamps are large.
  FitWindows(
      call, samples, [&](const Window& window) { return samples.t[window.begin]; },
      [&](size_t step, const Line& line) { row.Set(step, line.slope); });
}

void PredictLinear(const WindowCall& call, const SampleColumns& samples, Row& row) {
  FitWindows(
      call, samples, [&](const Window& window) { return call.grid.At(window.step); },
      [&](size_t step, const Line& line) {
        row.Set(step, line.slope * call.scalars[0][step] + line.intercept);
      });
}

// Source: Holt's linear method as upstream's double_exponential_smoothing().
void DoubleExponentialSmoothing(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    if (end - begin < 2) return;
    const double smoothing = call.scalars[0][step];
    const double trend_factor = call.scalars[1][step];
    double before = 0;
    double level = samples.v[begin];
    double trend = samples.v[begin + 1] - samples.v[begin];
    for (size_t i = begin + 1; i < end; ++i) {
      const double scaled = smoothing * samples.v[i];
      if (i > begin + 1) trend = trend_factor * (level - before) + (1 - trend_factor) * trend;
      before = level;
      level = scaled + (1 - smoothing) * (level + trend);
    }
    row.Set(step, level);
  });
}

}  // namespace narthex::promql
