#include "model/internal/histogram_layout.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace narthex::model::internal {
namespace {

void DropInsideZero(Indexed& buckets, int32_t schema, double threshold) {
  std::erase_if(buckets, [&](const IndexedCount& bucket) {
    return ExponentialBound(bucket.index, schema) <= threshold;
  });
}

}  // namespace

Sides SidesOf(const FloatHistogram& h) {
  return {Unpack(h.positive_spans, h.positive), Unpack(h.negative_spans, h.negative)};
}

void SetSides(FloatHistogram& h, const Sides& sides) {
  Pack(sides.positive, h.positive_spans, h.positive);
  Pack(sides.negative, h.negative_spans, h.negative);
}

ZeroBucket Widened(const FloatHistogram& h, const Sides& sides, double threshold) {
  while (true) {
    double count = h.zero_count;
    bool moved = false;
    for (const Indexed* side : {&sides.positive, &sides.negative}) {
      for (const IndexedCount& bucket : *side) {
        if (ExponentialBound(bucket.index - 1, h.schema) >= threshold) break;
        count += bucket.count;
        const double upper = ExponentialBound(bucket.index, h.schema);
        if (upper <= threshold) continue;
        if (bucket.count != 0) {
          threshold = upper;
          moved = side == &sides.negative;
        }
        break;
      }
    }
    // What the negative side moved, the positive side has to count again.
    if (!moved) return {threshold, count};
  }
}

void WidenZero(FloatHistogram& h, Sides& sides, ZeroBucket zero) {
  h.zero_threshold = zero.threshold;
  h.zero_count = zero.count;
  DropInsideZero(sides.positive, h.schema, zero.threshold);
  DropInsideZero(sides.negative, h.schema, zero.threshold);
}

std::vector<double> CommonBounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> common;
  std::ranges::set_intersection(a, b, std::back_inserter(common));
  return common;
}

void RebucketCustom(Indexed& buckets, const std::vector<double>& from,
                    const std::vector<double>& to) {
  Reindex(buckets, [&](int32_t index) {
    const auto i = static_cast<size_t>(std::max(index, 0));
    if (i >= from.size()) return static_cast<int32_t>(to.size());
    return static_cast<int32_t>(std::ranges::lower_bound(to, from[i]) - to.begin());
  });
}

bool Reconcile(FloatHistogram& a, Sides& a_sides, FloatHistogram* lost, Sides* lost_sides,
               FloatHistogram& b, Sides& b_sides) {
  if (a.custom()) {
    if (a.custom_bounds == b.custom_bounds) return false;
    std::vector<double> common = CommonBounds(a.custom_bounds, b.custom_bounds);
    RebucketCustom(a_sides.positive, a.custom_bounds, common);
    if (lost != nullptr) RebucketCustom(lost_sides->positive, a.custom_bounds, common);
    RebucketCustom(b_sides.positive, b.custom_bounds, common);
    a.custom_bounds = common;
    b.custom_bounds = std::move(common);
    return true;
  }
  // Ends for NaN too, which nobody should have let in.
  while (a.zero_threshold < b.zero_threshold || b.zero_threshold < a.zero_threshold) {
    if (b.zero_threshold < a.zero_threshold) {
      WidenZero(b, b_sides, Widened(b, b_sides, a.zero_threshold));
    } else {
      const ZeroBucket zero = Widened(a, a_sides, b.zero_threshold);
      WidenZero(a, a_sides, zero);
      if (lost != nullptr) {
        const double covered = Widened(*lost, *lost_sides, zero.threshold).count;
        WidenZero(*lost, *lost_sides, {zero.threshold, covered});
      }
    }
  }
  const int32_t schema = std::min(a.schema, b.schema);
  const auto reduce = [schema](FloatHistogram& h, Sides& sides) {
    const int32_t steps = h.schema - schema;
    if (steps == 0) return;
    for (Indexed* side : {&sides.positive, &sides.negative}) {
      Reindex(*side, [steps](int32_t index) { return CoarserIndex(index, steps); });
    }
    h.schema = schema;
  };
  reduce(a, a_sides);
  if (lost != nullptr) reduce(*lost, *lost_sides);
  reduce(b, b_sides);
  return false;
}

}  // namespace narthex::model::internal
