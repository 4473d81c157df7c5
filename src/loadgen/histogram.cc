#include "loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace narthex::loadgen {

// Bucket = octave * 64 + the six bits after the leading one; the first two octaves are exact.
size_t Histogram::BucketOf(uint64_t value) {
  constexpr uint64_t kExact = uint64_t{2} << kOctaveBits;
  if (value < kExact) return value;
  const int shift = static_cast<int>(std::bit_width(value)) - 1 - kOctaveBits;
  return (static_cast<size_t>(shift) << kOctaveBits) + static_cast<size_t>(value >> shift);
}

int64_t Histogram::MiddleOf(size_t bucket) {
  constexpr size_t kExact = size_t{2} << kOctaveBits;
  if (bucket < kExact) return static_cast<int64_t>(bucket);
  const size_t shift = (bucket >> kOctaveBits) - 1;
  const size_t low = (bucket - (shift << kOctaveBits)) << shift;
  return static_cast<int64_t>(low + (size_t{1} << shift) / 2);
}

void Histogram::Record(int64_t us) {
  const int64_t value = std::clamp<int64_t>(us, 0, (int64_t{1} << kValueBits) - 1);
  ++buckets_[BucketOf(static_cast<uint64_t>(value))];
  ++count_;
  sum_ += value;
  max_ = std::max(max_, value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

int64_t Histogram::Quantile(double q) const {
  CHECK(q >= 0 && q <= 1);
  if (count_ == 0) return 0;
  const auto rank =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(MiddleOf(i), max_);
  }
  return max_;
}

}  // namespace narthex::loadgen
