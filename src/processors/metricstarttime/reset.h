#pragma once

#include "otlp/tree.h"

namespace narthex::processors {

// Whether a cumulative stream that was at `before` has begun anew by `now`: something counted has
// become less, or histograms cannot be compared.
bool IsReset(otlp::MetricKind kind, const otlp::TreePoint& before, const otlp::TreePoint& now);

// Takes what was counted by `first` away from `point`. Histograms that cannot be compared lose
// their counts and sums only.
void Subtract(otlp::MetricKind kind, otlp::TreePoint& point, const otlp::TreePoint& first);

}  // namespace narthex::processors
