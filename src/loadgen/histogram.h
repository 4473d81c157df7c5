#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace narthex::loadgen {

// Counts durations from 0 to about 71 minutes in microseconds, in buckets that are exact up to 128
// and then 1/64 of an octave wide: any value read back is within 1 % of one recorded. A value; one
// thread at a time.
class Histogram {
 public:
  // Negative values count as 0, larger ones as the largest.
  void Record(int64_t us);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  int64_t max() const { return max_; }  // Exact. 0 when empty.
  double mean() const;                  // Exact. 0 when empty.
  // The value that a share `q` of all values does not exceed: q = 0.99 for the 99th percentile.
  // 0 when empty. REQUIRES: 0 <= q <= 1.
  int64_t Quantile(double q) const;

 private:
  static constexpr int kOctaveBits = 6;
  static constexpr int kValueBits = 32;
  static constexpr size_t kBuckets = (kValueBits - kOctaveBits + 1) << kOctaveBits;

  static size_t BucketOf(uint64_t value);
  static int64_t MiddleOf(size_t bucket);

  std::array<uint32_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t sum_ = 0;
  int64_t max_ = 0;
};

}  // namespace narthex::loadgen
