#include <cmath>
#include <limits>

#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

struct Line {
  double slope;
  double intercept;
};

// Least squares over [begin, end), times in seconds relative to `origin`.
// Source: upstream's linearRegression, with its compensated sums and its answer for constants.
Line Fit(const SampleColumns& samples, size_t begin, size_t end, model::Timestamp origin) {
  CompensatedSum x;
  CompensatedSum y;
  CompensatedSum xy;
  CompensatedSum xx;
  double count = 0;
  const double first = samples.v[begin];
  bool constant = true;
  for (size_t i = begin; i < end; ++i) {
    const double value = samples.v[i];
    if (constant && i > begin && value != first) constant = false;
    count += 1;
    const double t = static_cast<double>(samples.t[i] - origin) / 1e3;
    x.Add(t);
    y.Add(value);
    xy.Add(t * value);
    xx.Add(t * t);
  }
  if (constant) {
    if (std::isinf(first)) {
      const double nan = std::numeric_limits<double>::quiet_NaN();
      return {nan, nan};
    }
    return {0, first};
  }
  const double sum_x = x.sum + x.lost;
  const double sum_y = y.sum + y.lost;
  const double covariance = (xy.sum + xy.lost) - sum_x * sum_y / count;
  const double variance = (xx.sum + xx.lost) - sum_x * sum_x / count;
  const double slope = covariance / variance;
  return {slope, sum_y / count - slope * sum_x / count};
}

}  // namespace

void Deriv(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    if (end - begin < 2) return;
    // The first time as origin keeps precision where timestamps are large.
    row.Set(step, Fit(samples, begin, end, samples.t[begin]).slope);
  });
}

void PredictLinear(const WindowCall& call, const SampleColumns& samples, Row& row) {
  ForEachWindow(call.windows, samples.t, [&](size_t step, size_t begin, size_t end) {
    if (end - begin < 2) return;
    const Line line = Fit(samples, begin, end, call.grid.At(step));
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
