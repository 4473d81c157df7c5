#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace narthex::sdk::internal {

struct ExponentialShape {
  size_t max_size = 160;  // Buckets on each side of zero. At least 2.
  int max_scale = 20;
  bool is_delta = false;
  bool record_min_max = true;
};

// The bucket of a positive finite value: the one with base^index < value <= base^(index + 1),
// where base = 2^(2^-scale).
int32_t ExponentialIndex(double value, int scale);

// The buckets on one side of zero. A window of neighbouring indexes never holds more than there is
// room for, so that a bucket's place is its index modulo that room: nothing moves as it grows.
class ExponentialBuckets {
 public:
  explicit ExponentialBuckets(size_t room) : counts_(room) {}

  bool empty() const { return size_ == 0; }
  int32_t first() const { return first_; }
  size_t size() const { return size_; }
  uint64_t At(size_t i) const { return counts_[Place(first_ + static_cast<int64_t>(i))]; }

  // By how many steps the scale must fall before the window may span from `low` to `high` too.
  int StepsToFit(int32_t low, int32_t high) const;
  // REQUIRES: StepsToFit(index, index) is 0.
  void Add(int32_t index, uint64_t count);
  // Two to the power of `steps` buckets become one.
  void Coarsen(int steps);
  void Clear();

 private:
  size_t Place(int64_t index) const {
    const auto room = static_cast<int64_t>(counts_.size());
    const int64_t place = index % room;
    return static_cast<size_t>(place < 0 ? place + room : place);
  }

  std::vector<uint64_t> counts_;
  int32_t first_ = 0;
  size_t size_ = 0;
};

// A base-2 exponential histogram that starts at the finest scale and coarsens until both sides fit.
// Not thread-safe.
// Source: OpenTelemetry specification, metrics SDK, "Base2 Exponential Bucket Histogram
// Aggregation"; data model, "ExponentialHistogram".
class ExponentialHistogram {
 public:
  explicit ExponentialHistogram(const ExponentialShape& shape)
      : shape_(shape),
        scale_(shape.max_scale),
        positive_(shape.max_size),
        negative_(shape.max_size) {}

  // REQUIRES: value is finite.
  void Record(double value);
  // REQUIRES: made for the same shape.
  void Merge(const ExponentialHistogram& other);
  void Clear();

  int scale() const { return scale_; }
  uint64_t count() const { return count_; }
  uint64_t zero_count() const { return zero_count_; }
  double sum() const { return sum_; }
  double min() const { return min_; }  // Infinite while there is nothing.
  double max() const { return max_; }
  const ExponentialBuckets& positive() const { return positive_; }
  const ExponentialBuckets& negative() const { return negative_; }

 private:
  void AddTo(ExponentialBuckets& side, int32_t index, uint64_t count);
  void MergeSide(ExponentialBuckets& side, const ExponentialBuckets& other, int other_scale);
  void Coarsen(int steps);

  ExponentialShape shape_;
  int scale_;
  uint64_t count_ = 0;
  uint64_t zero_count_ = 0;
  double sum_ = 0;
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
  ExponentialBuckets positive_;
  ExponentialBuckets negative_;
};

}  // namespace narthex::sdk::internal
