#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sdk/attributes.h"
#include "sdk/exemplar.h"
#include "sdk/resource.h"

namespace narthex::sdk {

// What a collection yields, ready for any encoder. Views and pointers lead into the MeterProvider
// and hold as long as it lives; a batch that is collected into again reuses its memory.
// Times are nanoseconds since the Unix epoch.

enum class Temporality { kDelta = 1, kCumulative = 2 };  // OTLP's numbers.
// What a reader asks for. Low memory: counters and histograms as deltas, the rest cumulative; with
// kDelta, up-down counters stay cumulative too.
enum class TemporalityPreference { kCumulative, kDelta, kLowMemory };
enum class DataKind { kGauge, kSum, kHistogram, kExponentialHistogram };

// A run of MetricData::exemplars.
struct ExemplarRange {
  size_t first = 0;
  size_t count = 0;
};

struct NumberPoint {
  const AttributeSet* attributes;
  int64_t start_ns;
  int64_t time_ns;
  bool is_int;
  union {
    int64_t int_value;
    double double_value;
  };
  ExemplarRange exemplars;
};

struct HistogramPoint {
  const AttributeSet* attributes;
  int64_t start_ns;
  int64_t time_ns;
  uint64_t count;
  double sum;
  double min;  // Meaningless when count is 0.
  double max;
  size_t first_bucket;  // Into MetricData::bucket_counts; bounds.size() + 1 of them.
  ExemplarRange exemplars;
};

// Bucket i of a side holds values up to base^(offset + i + 1), where base = 2^(2^-scale).
struct ExponentialPoint {
  struct Side {
    int32_t offset = 0;
    size_t first_bucket = 0;  // Into MetricData::bucket_counts.
    size_t size = 0;
  };
  const AttributeSet* attributes;
  int64_t start_ns;
  int64_t time_ns;
  uint64_t count;
  double sum;
  double min;  // Meaningless when count is 0.
  double max;
  int scale;
  uint64_t zero_count;
  Side positive;
  Side negative;
  ExemplarRange exemplars;
};

struct MetricData {
  std::string_view name;
  std::string_view description;
  std::string_view unit;
  DataKind kind = DataKind::kGauge;
  Temporality temporality = Temporality::kCumulative;
  bool is_monotonic = false;
  std::vector<NumberPoint> numbers;            // Gauges and sums.
  std::vector<HistogramPoint> histograms;      // Histograms.
  std::vector<ExponentialPoint> exponentials;  // Exponential histograms.
  bool has_min_max = true;                     // Of both kinds of histogram.
  std::span<const double> bounds;
  std::vector<uint64_t> bucket_counts;
  std::vector<Exemplar> exemplars;

  bool empty() const { return numbers.empty() && histograms.empty() && exponentials.empty(); }
  std::span<const Exemplar> Exemplars(ExemplarRange range) const {
    return std::span(exemplars).subspan(range.first, range.count);
  }
  std::span<const uint64_t> BucketCounts(const ExponentialPoint::Side& side) const {
    return std::span(bucket_counts).subspan(side.first_bucket, side.size);
  }
  std::span<const uint64_t> BucketCounts(const HistogramPoint& point) const {
    return std::span(bucket_counts).subspan(point.first_bucket, bounds.size() + 1);
  }
};

struct ScopeData {
  std::string_view name;
  std::string_view version;
  std::string_view schema_url;
  const AttributeSet* attributes = nullptr;  // nullptr: none.
  std::vector<MetricData> metrics;           // With at least one point each.
};

struct MetricBatch {
  const Resource* resource = nullptr;
  std::vector<ScopeData> scopes;  // With at least one metric each.

  size_t point_count() const;
};

}  // namespace narthex::sdk
