#include "processors/metricstarttime/reset.h"

#include <algorithm>

namespace narthex::processors {
namespace {

using otlp::MetricKind;
using otlp::TreePoint;
using Type = otlp::NumberPoint::Type;

// The count in the bucket of that index; 0 outside.
uint64_t CountAt(const TreePoint::Buckets& buckets, int64_t index) {
  const int64_t slot = index - buckets.offset;
  const bool is_there = slot >= 0 && slot < static_cast<int64_t>(buckets.counts.size());
  return is_there ? buckets.counts[static_cast<size_t>(slot)] : 0;
}

bool AnyLess(const TreePoint::Buckets& before, const TreePoint::Buckets& now) {
  for (size_t i = 0; i < before.counts.size(); ++i) {
    const int64_t index = before.offset + static_cast<int64_t>(i);
    if (CountAt(now, index) < before.counts[i]) return true;
  }
  return false;
}

bool AnyLess(const std::vector<uint64_t>& before, const std::vector<uint64_t>& now) {
  return !std::ranges::equal(before, now, [](uint64_t b, uint64_t n) { return n >= b; });
}

void Subtract(TreePoint::Buckets& buckets, const TreePoint::Buckets& first) {
  for (size_t i = 0; i < buckets.counts.size(); ++i) {
    buckets.counts[i] -= CountAt(first, buckets.offset + static_cast<int64_t>(i));
  }
}

}  // namespace

bool IsReset(MetricKind kind, const TreePoint& before, const TreePoint& now) {
  switch (kind) {
    case MetricKind::kSum:
      return now.Number() < before.Number();
    case MetricKind::kHistogram:
      return now.count < before.count || now.explicit_bounds != before.explicit_bounds ||
             AnyLess(before.bucket_counts, now.bucket_counts);
    case MetricKind::kExponentialHistogram:
      return now.count < before.count || now.zero_count < before.zero_count ||
             now.scale != before.scale || AnyLess(before.positive, now.positive) ||
             AnyLess(before.negative, now.negative);
    case MetricKind::kSummary:
      return now.count < before.count ||
             (now.count != 0 && now.optionals.sum < before.optionals.sum);
    default:
      return false;
  }
}

void Subtract(MetricKind kind, TreePoint& point, const TreePoint& first) {
  if (kind == MetricKind::kSum) {
    if (point.type == Type::kInt && first.type == Type::kInt) {
      point.SetNumber(static_cast<int64_t>(static_cast<uint64_t>(point.whole) -
                                           static_cast<uint64_t>(first.whole)));
    } else {
      point.SetNumber(point.Number() - first.Number());
    }
    return;
  }
  point.count -= first.count;
  if (point.optionals.has_sum) point.optionals.sum -= first.optionals.sum;
  if (kind == MetricKind::kHistogram && point.bucket_counts.size() == first.bucket_counts.size()) {
    for (size_t i = 0; i < point.bucket_counts.size(); ++i) {
      point.bucket_counts[i] -= first.bucket_counts[i];
    }
  }
  if (kind == MetricKind::kExponentialHistogram) {
    point.zero_count -= first.zero_count;
    Subtract(point.positive, first.positive);
    Subtract(point.negative, first.negative);
  }
}

}  // namespace narthex::processors
