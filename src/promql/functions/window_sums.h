#pragma once

#include <span>

#include "promql/exec/window_bounds.h"
#include "promql/functions/compensated.h"

namespace narthex::promql {

// Compensated sums over the windows of all steps of one series. Several windows are summed side by
// side, one per lane of a vector register, each in the order of its samples: the results are those
// of one window after the other, to the last bit, but the chains of additions do not wait for each
// other. What is written for steps without samples means nothing.

// One sum per step.
void SumWindows(std::span<const double> values, const WindowBounds& bounds, CompensatedSum* sums);

// The population variance per step: Welford's update with compensated sums, as upstream has it.
void WindowVariances(std::span<const double> values, const WindowBounds& bounds, double* variances);

// Times in seconds relative to an origin per step.
struct RelativeTimes {
  std::span<const model::Timestamp> times;
  const model::Timestamp* origins;
};
// The sums of the times of each window, and of their squares.
void SumTimes(const RelativeTimes& x, const WindowBounds& bounds, double* sums);
void SumSquaredTimes(const RelativeTimes& x, const WindowBounds& bounds, double* sums);
// The sums of the values and of time * value.
void SumProducts(const RelativeTimes& x, std::span<const double> values, const WindowBounds& bounds,
                 double* sums, double* products);

}  // namespace narthex::promql
