#pragma once

#include "model/sample.h"

namespace narthex::promql {

// How much of the range the samples [begin, end) stand for: extrapolated to each end that is no
// farther away than 1.1 average spacings, else by half a spacing. A counter, whose value was
// `first_value` and rose by `increase`, is never extrapolated below zero; one that is known to have
// been zero at `start` rose by `increase` from there on.
// Source: Prometheus documentation, query functions, rate(); upstream's extrapolatedRate.
struct ExtrapolationInput {
  model::Timestamp first;
  model::Timestamp last;
  size_t count;  // At least 2 where `start` is unknown.
  model::Timestamp range_start;
  model::Timestamp range_end;
  bool counter;
  model::Timestamp start = 0;  // 0 where unknown.
  double first_value;
  double increase;
};
double ExtrapolationFactor(const ExtrapolationInput& input);

// Seconds, where values do not matter and no start is known.
struct ExtrapolationReach {
  double to_start;  // From the first sample backwards.
  double to_end;    // From the last sample onwards.
  double sampled;   // Between them.
};
ExtrapolationReach ReachOf(const ExtrapolationInput& input);

}  // namespace narthex::promql
