#include <memory>
#include <utility>

#include "model/histogram.h"
#include "model/internal/histogram_layout.h"

// Where counters of native histograms begin anew.

namespace narthex::model {

using internal::CoarserIndex;
using internal::CommonBounds;
using internal::ForEachUnion;
using internal::Indexed;
using internal::RebucketCustom;
using internal::Reindex;
using internal::Sides;
using internal::SidesOf;
using internal::Widened;
using internal::WidenZero;
using internal::ZeroBucket;

namespace {

// The counts of two unlike custom layouts over their common bounds: does any fall?
bool AnyFalls(const Indexed& now, const Indexed& before) {
  bool falls = false;
  ForEachUnion(before, now, [&](int32_t, double x, double y) { falls |= y < x; });
  return falls;
}

}  // namespace

bool FloatHistogram::DetectReset(const FloatHistogram& previous) const {
  if (hint == ResetHint::kReset) return true;
  if (hint == ResetHint::kNotReset) return false;
  if (custom() != previous.custom() || count < previous.count) return true;
  Sides now = SidesOf(*this);
  Sides before = SidesOf(previous);
  if (custom()) {
    if (custom_bounds != previous.custom_bounds) {
      const std::vector<double> common = CommonBounds(custom_bounds, previous.custom_bounds);
      RebucketCustom(now.positive, custom_bounds, common);
      RebucketCustom(before.positive, previous.custom_bounds, common);
    }
    return AnyFalls(now.positive, before.positive);
  }
  // A counter only ever loses resolution.
  if (schema > previous.schema || zero_threshold < previous.zero_threshold) return true;
  FloatHistogram old = previous;
  const ZeroBucket zero = Widened(old, before, zero_threshold);
  // The wider zero bucket ends inside a bucket that had observations.
  if (zero.threshold != zero_threshold || zero_count < zero.count) return true;
  WidenZero(old, before, zero);
  const int32_t steps = old.schema - schema;
  for (Indexed* side : {&before.positive, &before.negative}) {
    Reindex(*side, [steps](int32_t index) { return CoarserIndex(index, steps); });
  }
  return AnyFalls(now.positive, before.positive) || AnyFalls(now.negative, before.negative);
}

ResetHint HintInChunk(const FloatHistogram* before, FloatHistogram now) {
  if (now.hint == ResetHint::kGauge) return ResetHint::kGauge;
  if (before == nullptr || before->hint == ResetHint::kGauge || now.hint == ResetHint::kReset) {
    return ResetHint::kUnknown;
  }
  const bool same_layout = now.schema == before->schema &&
                           now.zero_threshold == before->zero_threshold &&
                           now.custom_bounds == before->custom_bounds;
  now.hint = ResetHint::kUnknown;
  return same_layout && !now.DetectReset(*before) ? ResetHint::kNotReset : ResetHint::kUnknown;
}

void ForgetReset(HistogramPtr& histogram) {
  if (histogram == nullptr || histogram->hint == ResetHint::kGauge ||
      histogram->hint == ResetHint::kUnknown) {
    return;
  }
  FloatHistogram copy = *histogram;
  copy.hint = ResetHint::kUnknown;
  histogram = std::make_shared<const FloatHistogram>(std::move(copy));
}

}  // namespace narthex::model
