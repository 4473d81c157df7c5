#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "otlp/client_info.h"
#include "otlp/throttle.h"
#include "otlp/value.h"

namespace narthex::otlp {

// The metrics of one or more OTLP requests, as pipelines hand them on: an index over the protobuf
// bytes as received. Records hold views; `raw` members are the bytes of the whole message and are
// spliced unchanged when the batch is sent on, and empty where a stage has changed what they say.
// Source: opentelemetry-proto 1.11, metrics.proto.

enum class MetricKind : uint8_t {
  kNone,       // A metric without data.
  kGauge = 5,  // The numbers of the fields.
  kSum = 7,
  kHistogram = 9,
  kExponentialHistogram = 10,
  kSummary = 11,
};

enum class Temporality : uint8_t { kUnspecified = 0, kDelta = 1, kCumulative = 2 };

inline constexpr uint32_t kNoRecordedValue = 1;  // In `flags`: the series has ended.

// Fixed 8-byte words in place. Unaligned, hence no span.
class Words {
 public:
  Words() = default;
  explicit Words(std::string_view bytes) : bytes_(bytes) {}
  size_t size() const { return bytes_.size() / 8; }
  bool empty() const { return bytes_.empty(); }
  uint64_t Uint(size_t i) const {
    uint64_t value;
    std::memcpy(&value, bytes_.data() + i * 8, 8);
    return value;
  }
  double Double(size_t i) const { return std::bit_cast<double>(Uint(i)); }
  std::string_view bytes() const { return bytes_; }
  friend bool operator==(const Words&, const Words&) = default;

 private:
  std::string_view bytes_;
};

// Times are nanoseconds since the Unix epoch, 0 when unknown.

struct NumberPoint {
  enum class Type : uint8_t { kNone, kInt, kDouble };
  std::string_view raw;
  std::string_view attributes;  // For KeyValues.
  uint64_t start_ns = 0;
  uint64_t time_ns = 0;
  uint64_t bits = 0;
  uint32_t flags = 0;
  Type type = Type::kNone;
  bool has_exemplars = false;

  int64_t Int() const { return static_cast<int64_t>(bits); }
  double Double() const {
    return type == Type::kInt ? static_cast<double>(Int()) : std::bit_cast<double>(bits);
  }
};

// What a distribution may leave out.
struct Optionals {
  bool has_sum = false, has_min = false, has_max = false;
  double sum = 0, min = 0, max = 0;
};

struct HistogramPoint {
  std::string_view raw;
  std::string_view attributes;
  uint64_t start_ns = 0;
  uint64_t time_ns = 0;
  uint64_t count = 0;
  uint32_t flags = 0;
  bool has_exemplars = false;
  Optionals optionals;
  Words bucket_counts;  // One more than bounds, or none.
  Words explicit_bounds;
};

struct ExponentialBuckets {
  int32_t offset = 0;
  std::string_view counts;  // Varints, for internal::Cursor.
};

struct ExponentialHistogramPoint {
  std::string_view raw;
  std::string_view attributes;
  uint64_t start_ns = 0;
  uint64_t time_ns = 0;
  uint64_t count = 0;
  uint64_t zero_count = 0;
  double zero_threshold = 0;
  int32_t scale = 0;
  uint32_t flags = 0;
  Optionals optionals;
  ExponentialBuckets positive, negative;
};

struct SummaryPoint {
  std::string_view raw;
  std::string_view attributes;
  uint64_t start_ns = 0;
  uint64_t time_ns = 0;
  uint64_t count = 0;
  double sum = 0;
  uint32_t flags = 0;
  std::string_view quantiles;  // ValueAtQuantile messages, for Quantiles.
};

struct Metric {
  std::string_view raw;
  std::string_view name;
  std::string_view description;
  std::string_view unit;
  std::string_view metadata;  // For KeyValues.
  MetricKind kind = MetricKind::kNone;
  Temporality temporality = Temporality::kUnspecified;
  bool is_monotonic = false;
  // Into the vector of points of this kind.
  uint32_t first_point = 0;
  uint32_t point_count = 0;
};

struct Scope {
  std::string_view raw;        // The ScopeMetrics message.
  std::string_view scope_raw;  // The InstrumentationScope inside it.
  std::string_view name;
  std::string_view version;
  std::string_view attributes;
  std::string_view schema_url;
  uint32_t first_metric = 0;
  uint32_t metric_count = 0;
};

struct ResourceMetrics {
  std::string_view raw;           // The ResourceMetrics message.
  std::string_view resource_raw;  // The Resource inside it.
  std::string_view attributes;
  std::string_view schema_url;
  uint32_t first_scope = 0;
  uint32_t scope_count = 0;
};

// Move-only. One thread at a time; the bytes themselves may be shared between batches.
class Batch {
 public:
  Batch() = default;
  Batch(Batch&&) noexcept = default;
  Batch& operator=(Batch&&) noexcept = default;

  // For fan-out: another index over the same bytes.
  Batch Clone() const;
  // Takes over everything `other` holds. Client and throttle stay where both have the
  // same.
  void Append(Batch other);
  // Takes the first `points` data points out into a batch of their own, or all when there are
  // fewer.
  Batch TakeFirst(size_t points);

  size_t point_count() const;
  // Bytes held, index and requests.
  size_t byte_size() const;

  std::span<const Scope> ScopesOf(const ResourceMetrics& resource) const {
    return std::span(scopes).subspan(resource.first_scope, resource.scope_count);
  }
  std::span<const Metric> MetricsOf(const Scope& scope) const {
    return std::span(metrics).subspan(scope.first_metric, scope.metric_count);
  }
  std::span<const NumberPoint> NumbersOf(const Metric& metric) const {
    return std::span(numbers).subspan(metric.first_point, metric.point_count);
  }
  std::span<const HistogramPoint> HistogramsOf(const Metric& metric) const {
    return std::span(histograms).subspan(metric.first_point, metric.point_count);
  }
  std::span<const ExponentialHistogramPoint> ExponentialsOf(const Metric& metric) const {
    return std::span(exponentials).subspan(metric.first_point, metric.point_count);
  }
  std::span<const SummaryPoint> SummariesOf(const Metric& metric) const {
    return std::span(summaries).subspan(metric.first_point, metric.point_count);
  }

  std::vector<ResourceMetrics> resources;
  std::vector<Scope> scopes;
  std::vector<Metric> metrics;
  std::vector<NumberPoint> numbers;
  std::vector<HistogramPoint> histograms;
  std::vector<ExponentialHistogramPoint> exponentials;
  std::vector<SummaryPoint> summaries;
  // What the views lead into.
  std::vector<std::shared_ptr<const std::string>> buffers;
  ClientPointer client;
  // For the sender, where one waits for an answer; shared by all that the batch becomes. Else null.
  ThrottlePointer throttle;

 private:
  Batch(const Batch&) = default;
};

}  // namespace narthex::otlp
