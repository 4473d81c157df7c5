#pragma once

#include "model/histogram.h"

namespace narthex::promql {

// What functions and operators ask a native histogram. Exponential buckets are taken to be filled
// evenly on a logarithmic scale, the zero bucket and custom buckets on a linear one. A zero bucket
// beside buckets of one sign only is taken to hold that sign only.
// Source: Prometheus documentation, native histograms; upstream's promql/quantile.go.

enum class NanObservations {
  kNone,
  kNanResult,  // The quantile lies among the observations that are NaN.
  kSkewed,     // The quantile is higher than without them.
};

// Infinite outside 0…1, NaN for a NaN quantile or without observations.
double NativeQuantile(double q, const model::FloatHistogram& h, NanObservations* nans);

// Observations between the bounds as a share of all; `nans`: some are NaN and in no bucket.
double NativeFraction(double lower, double upper, const model::FloatHistogram& h, bool* nans);

// Estimated from the middles of the buckets.
double NativeVariance(const model::FloatHistogram& h);

// What is left of a histogram above or below a value. The sum is estimated anew unless all is left.
model::FloatHistogram TrimAbove(const model::FloatHistogram& h, double value);  // h </ value
model::FloatHistogram TrimBelow(const model::FloatHistogram& h, double value);  // h >/ value

}  // namespace narthex::promql
