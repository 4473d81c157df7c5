#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace narthex::model {

// Milliseconds since the Unix epoch.
using Timestamp = int64_t;

inline constexpr Timestamp kTimestampMin = std::numeric_limits<Timestamp>::min();
inline constexpr Timestamp kTimestampMax = std::numeric_limits<Timestamp>::max();

struct Sample {
  Timestamp t;
  double v;
};

// Both ends belong to it.
struct TimeRange {
  Timestamp min = kTimestampMin;
  Timestamp max = kTimestampMax;
  bool Contains(Timestamp t) const { return t >= min && t <= max; }
};

// The NaN that ends a series, told apart by its bits alone. Source: Prometheus, model/value.
inline constexpr uint64_t kStaleNanBits = 0x7ff0000000000002;
// The NaN that every other NaN from an exposition becomes.
inline constexpr uint64_t kNormalNanBits = 0x7ff8000000000001;

inline bool IsStaleNan(double v) { return std::bit_cast<uint64_t>(v) == kStaleNanBits; }
inline double StaleNan() { return std::bit_cast<double>(kStaleNanBits); }
inline double NormalNan() { return std::bit_cast<double>(kNormalNanBits); }

// Samples of one series in time order, as columns of equal length.
struct SampleColumns {
  std::vector<Timestamp> t;
  std::vector<double> v;

  size_t size() const { return t.size(); }
  void clear() {
    t.clear();
    v.clear();
  }
  void Add(Timestamp time, double value) {
    t.push_back(time);
    v.push_back(value);
  }
};

}  // namespace narthex::model
