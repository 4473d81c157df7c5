#include "promql/functions/native_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace narthex::promql {
namespace {

using model::FloatHistogram;
using model::HistogramBucket;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

bool HasZeroInside(const HistogramBucket& bucket) { return bucket.lower <= 0 && bucket.upper >= 0; }

// A zero bucket beside buckets of one sign ends at zero on the other side.
void CutZeroBucket(const FloatHistogram& h, HistogramBucket& bucket) {
  if (h.custom() || !HasZeroInside(bucket)) return;
  if (h.negative.empty() && !h.positive.empty()) bucket.lower = 0;
  if (h.positive.empty() && !h.negative.empty()) bucket.upper = 0;
}

// The share of a bucket below `value`, which lies inside. REQUIRES: finite bounds.
double ShareBelow(const HistogramBucket& bucket, double value, bool linear) {
  if (linear) return (value - bucket.lower) / (bucket.upper - bucket.lower);
  const double lower = std::log2(std::fabs(bucket.lower));
  const double upper = std::log2(std::fabs(bucket.upper));
  const double at = std::log2(std::fabs(value));
  if (value > 0) return (at - lower) / (upper - lower);
  return 1 - (at - upper) / (lower - upper);
}

double Middle(double lower, double upper, bool linear) {
  if (linear) return (lower + upper) / 2;
  const double middle = std::sqrt(std::fabs(lower * upper));
  return lower < 0 ? -middle : middle;
}

// Where observations are taken to lie in a bucket that may be without end. A first bucket that
// begins below zero is of no use but for its end.
double MiddleOf(const HistogramBucket& bucket, bool linear) {
  if (bucket.lower == -kInf && bucket.upper == kInf) return 0;
  if (bucket.lower == -kInf) return bucket.upper > 0 ? bucket.upper / 2 : bucket.upper;
  if (bucket.upper == kInf) return bucket.lower;
  return Middle(bucket.lower, bucket.upper, linear);
}

// What stays of one bucket: a count, and where its observations are taken to lie.
struct Kept {
  double count;
  double middle;
};

// Of a bucket that `value` cuts.
Kept CutBucket(const HistogramBucket& bucket, double value, bool below, bool linear) {
  HistogramBucket cut = bucket;
  if (bucket.lower == -kInf) {
    if (bucket.upper == kInf) return {0, 0};
    if (bucket.upper <= 0) return below ? Kept{bucket.count, value} : Kept{0, 0};
    // The first bucket begins at zero where it ends above.
    if (value <= 0) {
      return below || value < 0 ? Kept{0, 0} : Kept{bucket.count, MiddleOf(bucket, true)};
    }
    cut.lower = 0;
  }
  if (bucket.upper == kInf) return below ? Kept{0, 0} : Kept{bucket.count, value};
  const double share = cut.count * ShareBelow(cut, value, linear);
  if (below) return {share, Middle(cut.lower, value, linear)};
  return {cut.count - share, Middle(value, cut.upper, linear)};
}

FloatHistogram Trim(const FloatHistogram& h, double value, bool below) {
  if (std::isnan(value)) return h;
  FloatHistogram trimmed = h;
  trimmed.count = 0;
  trimmed.sum = 0;
  bool changed = false;
  const auto trim = [&](HistogramBucket bucket, double& count) {
    if (count == 0) return;
    CutZeroBucket(h, bucket);
    const bool linear = h.custom() || HasZeroInside(bucket);
    Kept kept{bucket.count, MiddleOf(bucket, linear)};
    if (below ? bucket.lower >= value : bucket.upper <= value) {
      kept = {0, 0};
    } else if (bucket.lower < value && value < bucket.upper) {
      kept = CutBucket(bucket, value, below, linear);
    }
    changed |= kept.count != bucket.count;
    count = kept.count;
    trimmed.count += kept.count;
    if (kept.count != 0) trimmed.sum += kept.count * kept.middle;
  };
  const auto trim_side = [&](const std::vector<model::BucketSpan>& spans,
                             std::vector<double>& counts, bool negative) {
    const auto buckets = model::Unpack(spans, counts);
    for (size_t i = 0; i < buckets.size(); ++i) {
      // Bounds come from a histogram of this bucket alone, so that there is one place that knows.
      FloatHistogram one;
      one.schema = h.schema;
      one.zero_threshold = h.zero_threshold;
      one.custom_bounds = h.custom_bounds;
      model::Pack({buckets[i]}, negative ? one.negative_spans : one.positive_spans,
                  negative ? one.negative : one.positive);
      for (const HistogramBucket& bucket : one.Buckets()) {
        if (bucket.count != 0) trim(bucket, counts[i]);
      }
    }
  };
  trim_side(h.negative_spans, trimmed.negative, true);
  if (!h.custom()) {
    trim({-h.zero_threshold, h.zero_threshold, h.zero_count, true, true}, trimmed.zero_count);
  }
  trim_side(h.positive_spans, trimmed.positive, false);
  if (!changed) return h;
  trimmed.Compact();
  return trimmed;
}

}  // namespace

double NativeQuantile(double q, const FloatHistogram& h, NanObservations* nans) {
  *nans = NanObservations::kNone;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (h.count == 0 || std::isnan(q)) return kNan;
  // NaN observations count, but are in no bucket: only from below do ranks hold.
  const bool has_nans = std::isnan(h.sum);
  const bool forward = has_nans || q < 0.5;
  std::vector<HistogramBucket> buckets = h.Buckets();
  if (!forward) std::ranges::reverse(buckets);
  double rank = (forward ? q : 1 - q) * h.count;
  double count = 0;
  HistogramBucket bucket{0, 0, 0, true, true};
  for (const HistogramBucket& next : buckets) {
    if (next.count == 0) continue;
    bucket = next;
    count += bucket.count;
    if (count >= rank) break;
  }
  CutZeroBucket(h, bucket);
  count = std::min(count, h.count);
  if (count < rank || (has_nans && bucket.count == 0)) {
    if (has_nans) *nans = NanObservations::kNanResult;
    return kNan;
  }
  if (has_nans) *nans = NanObservations::kSkewed;
  if (h.custom()) {
    if (bucket.lower == -kInf) {
      if (bucket.upper <= 0) return bucket.upper;
      bucket.lower = 0;
    }
    if (bucket.upper == kInf) return bucket.lower;
  }
  rank = forward ? rank - (count - bucket.count) : count - rank;
  const double share = rank / bucket.count;
  if (h.custom() || HasZeroInside(bucket)) {
    return bucket.lower + (bucket.upper - bucket.lower) * share;
  }
  const double lower = std::log2(std::fabs(bucket.lower));
  const double upper = std::log2(std::fabs(bucket.upper));
  if (bucket.lower > 0) return std::exp2(lower + (upper - lower) * share);
  return -std::exp2(upper + (lower - upper) * (1 - share));
}

double NativeFraction(double lower, double upper, const FloatHistogram& h, bool* nans) {
  *nans = false;
  if (h.count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  *nans = std::isnan(h.sum);
  if (lower >= upper) return 0;
  const std::vector<HistogramBucket> buckets = h.Buckets();
  double all = 0;
  for (const HistogramBucket& bucket : buckets) all += bucket.count;
  if (!*nans) all = h.count;
  const auto rank_of = [&](double value) {
    double rank = 0;
    for (HistogramBucket bucket : buckets) {
      CutZeroBucket(h, bucket);
      if (h.custom() && bucket.lower == -kInf && bucket.upper > 0) bucket.lower = 0;
      if (bucket.lower >= value) return rank;
      if (bucket.upper > value) {
        // Nothing is known of how observations lie in a bucket without end.
        if (bucket.lower == -kInf) return value == -kInf ? rank : rank + bucket.count;
        if (bucket.upper == kInf) return rank;
        const bool linear = h.custom() || HasZeroInside(bucket);
        return rank + bucket.count * ShareBelow(bucket, value, linear);
      }
      rank += bucket.count;
    }
    return all;
  };
  return (std::min(rank_of(upper), all) - std::min(rank_of(lower), all)) / h.count;
}

double NativeVariance(const FloatHistogram& h) {
  const double mean = h.sum / h.count;
  double sum = 0;
  double lost = 0;
  for (const HistogramBucket& bucket : h.Buckets()) {
    if (bucket.count == 0) continue;
    double middle = 0;
    if (h.custom()) {
      middle = (bucket.lower + bucket.upper) / 2;
    } else if (!HasZeroInside(bucket)) {
      middle = Middle(bucket.lower, bucket.upper, false);
    }
    const double delta = middle - mean;
    const double x = bucket.count * delta * delta;
    const double total = sum + x;
    if (std::isinf(total)) {
      lost = 0;
    } else {
      lost += std::fabs(sum) >= std::fabs(x) ? (sum - total) + x : (x - total) + sum;
    }
    sum = total;
  }
  return (sum + lost) / h.count;
}

FloatHistogram TrimAbove(const FloatHistogram& h, double value) { return Trim(h, value, true); }
FloatHistogram TrimBelow(const FloatHistogram& h, double value) { return Trim(h, value, false); }

}  // namespace narthex::promql
