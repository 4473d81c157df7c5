#include "otlp/exponential.h"

#include <algorithm>
#include <cmath>

#include "otlp/aggregate.h"

namespace narthex::otlp {
namespace {

using Buckets = TreePoint::Buckets;

constexpr int32_t kScaleMin = -10;

// The bucket (base^i, base^(i+1)] of a magnitude above 0.
int32_t IndexOf(double magnitude, int32_t scale) {
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent);  // In [0.5, 1).
  // A power of two is the upper end of its bucket, exactly.
  if (fraction == 0.5) {
    const int32_t power = exponent - 1;
    return scale >= 0 ? (power << scale) - 1 : (power - 1) >> -scale;
  }
  if (scale <= 0) return (exponent - 1) >> -scale;
  return static_cast<int32_t>(std::ceil(std::ldexp(std::log2(fraction) + exponent, scale)) - 1);
}

}  // namespace

void ExponentialRecorder::Insert(Buckets& buckets, double magnitude, uint64_t count) {
  for (;;) {
    const int32_t index = IndexOf(magnitude, point_.scale);
    if (buckets.counts.empty()) {
      buckets = {.offset = index, .counts = {count}};
      return;
    }
    const int64_t low = std::min<int64_t>(index, buckets.offset);
    const int64_t high =
        std::max<int64_t>(index, buckets.offset + static_cast<int64_t>(buckets.counts.size()) - 1);
    if (high - low >= static_cast<int64_t>(buckets_max_) && point_.scale > kScaleMin) {
      LowerScale(point_, 1);
      continue;
    }
    if (index < buckets.offset) {
      buckets.counts.insert(buckets.counts.begin(), static_cast<size_t>(buckets.offset - index), 0);
      buckets.offset = index;
    }
    const auto at = static_cast<size_t>(index - buckets.offset);
    if (at >= buckets.counts.size()) buckets.counts.resize(at + 1);
    buckets.counts[at] += count;
    return;
  }
}

void ExponentialRecorder::Add(double value, uint64_t count) {
  Optionals& optionals = point_.optionals;
  optionals.min = point_.count == 0 ? value : std::min(optionals.min, value);
  optionals.max = point_.count == 0 ? value : std::max(optionals.max, value);
  optionals.has_min = optionals.has_max = optionals.has_sum = true;
  optionals.sum += value * static_cast<double>(count);
  point_.count += count;
  if (value == 0) {
    point_.zero_count += count;
  } else {
    Insert(value > 0 ? point_.positive : point_.negative, std::abs(value), count);
  }
}

void ExponentialRecorder::WriteTo(TreePoint& point) const {
  point.count = point_.count;
  point.optionals = point_.optionals;
  point.scale = point_.scale;
  point.zero_count = point_.zero_count;
  point.positive = point_.positive;
  point.negative = point_.negative;
}

}  // namespace narthex::otlp
