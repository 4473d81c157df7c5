#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "model/histogram.h"

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

// Samples of one series in time order, as columns of equal length. A sample is a number or a native
// histogram; the value column of a histogram is its sum, so that stale markers look the same.
struct SampleColumns {
  std::vector<Timestamp> t;
  std::vector<double> v;
  // Empty where all samples are numbers, else one entry per sample, null for numbers.
  std::vector<HistogramPtr> histograms;
  // When what a sample counts began, 0 where unknown. Empty where no start is known, else one entry
  // per sample.
  std::vector<Timestamp> starts;

  size_t size() const { return t.size(); }
  bool HasHistograms() const { return !histograms.empty(); }
  bool HasStarts() const { return !starts.empty(); }
  bool IsHistogram(size_t i) const { return !histograms.empty() && histograms[i] != nullptr; }
  void clear() {
    t.clear();
    v.clear();
    histograms.clear();
    starts.clear();
  }
  void Add(Timestamp time, double value) {
    t.push_back(time);
    v.push_back(value);
    if (!histograms.empty()) [[unlikely]] {
      histograms.emplace_back();
    }
    if (!starts.empty()) [[unlikely]] {
      starts.push_back(0);
    }
  }
  void Add(Timestamp time, HistogramPtr histogram) {
    histograms.resize(t.size());
    t.push_back(time);
    v.push_back(histogram->sum);
    histograms.push_back(std::move(histogram));
    if (!starts.empty()) starts.push_back(0);
  }
  // 0 where unknown.
  Timestamp Start(size_t i) const { return starts.empty() ? 0 : starts[i]; }
  // Of the newest sample. REQUIRES: there is one.
  void SetLastStart(Timestamp start) {
    if (start == 0 && starts.empty()) return;
    starts.resize(t.size());
    starts.back() = start;
  }
  // Sample `i` of other columns.
  void AddFrom(const SampleColumns& other, size_t i) {
    if (other.IsHistogram(i)) {
      Add(other.t[i], other.histograms[i]);
    } else {
      Add(other.t[i], other.v[i]);
    }
    SetLastStart(other.Start(i));
  }
};

}  // namespace narthex::model
