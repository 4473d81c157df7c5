#include "sdk/internal/exponential.h"

#include <algorithm>
#include <cmath>

namespace narthex::sdk::internal {

int32_t ExponentialIndex(double value, int scale) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // In [0.5, 1); subnormals too.
  // A power of two closes the bucket below it.
  const bool is_power = fraction == 0.5;
  const int32_t octave = exponent - 1;  // 2^octave <= value < 2^(octave + 1).
  if (scale <= 0) return (octave - (is_power ? 1 : 0)) >> -scale;
  const int32_t first = octave * (int32_t{1} << scale);
  if (is_power) return first - 1;
  const auto in_octave = static_cast<int32_t>(std::ldexp(std::log2(fraction * 2), scale));
  // The logarithm may err to either side of the octave.
  return first + std::clamp(in_octave, 0, (int32_t{1} << scale) - 1);
}

int ExponentialBuckets::StepsToFit(int32_t low, int32_t high) const {
  if (!empty()) {
    low = std::min(low, first_);
    high = std::max(high, first_ + static_cast<int32_t>(size_) - 1);
  }
  int steps = 0;
  while (static_cast<size_t>(int64_t{high} - low) >= counts_.size()) {
    low >>= 1;
    high >>= 1;
    ++steps;
  }
  return steps;
}

void ExponentialBuckets::Add(int32_t index, uint64_t count) {
  if (empty()) {
    first_ = index;
    size_ = 1;
  } else if (index < first_) {
    size_ += static_cast<size_t>(first_ - index);
    first_ = index;
  } else {
    size_ = std::max(size_, static_cast<size_t>(index - first_) + 1);
  }
  counts_[Place(index)] += count;
}

void ExponentialBuckets::Coarsen(int steps) {
  if (empty() || steps == 0) return;
  ExponentialBuckets coarse(counts_.size());
  for (size_t i = 0; i < size_; ++i) {
    const int32_t index = (first_ + static_cast<int32_t>(i)) >> steps;
    coarse.Add(index, At(i));
  }
  *this = std::move(coarse);
}

void ExponentialBuckets::Clear() {
  std::ranges::fill(counts_, 0);
  first_ = 0;
  size_ = 0;
}

void ExponentialHistogram::Coarsen(int steps) {
  if (steps == 0) return;
  positive_.Coarsen(steps);
  negative_.Coarsen(steps);
  scale_ -= steps;
}

void ExponentialHistogram::AddTo(ExponentialBuckets& side, int32_t index, uint64_t count) {
  const int steps = side.StepsToFit(index, index);
  Coarsen(steps);
  side.Add(index >> steps, count);
}

void ExponentialHistogram::Record(double value) {
  ++count_;
  sum_ += value;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  if (value == 0) {
    ++zero_count_;
  } else if (value > 0) {
    AddTo(positive_, ExponentialIndex(value, scale_), 1);
  } else {
    AddTo(negative_, ExponentialIndex(-value, scale_), 1);
  }
}

void ExponentialHistogram::MergeSide(ExponentialBuckets& side, const ExponentialBuckets& other,
                                     int other_scale) {
  for (size_t i = 0; i < other.size(); ++i) {
    const uint64_t count = other.At(i);
    if (count == 0) continue;
    AddTo(side, (other.first() + static_cast<int32_t>(i)) >> (other_scale - scale_), count);
  }
}

void ExponentialHistogram::Merge(const ExponentialHistogram& other) {
  if (other.count_ == 0) return;
  Coarsen(std::max(0, scale_ - other.scale_));
  MergeSide(positive_, other.positive_, other.scale_);
  MergeSide(negative_, other.negative_, other.scale_);
  count_ += other.count_;
  zero_count_ += other.zero_count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void ExponentialHistogram::Clear() { *this = ExponentialHistogram(shape_); }

}  // namespace narthex::sdk::internal
