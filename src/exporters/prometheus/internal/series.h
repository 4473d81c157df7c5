#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/histogram.h"
#include "model/metadata.h"
#include "model/sample.h"
#include "otlp/batch.h"
#include "otlp/tree.h"

namespace narthex::exporters::internal {

// Bucket bounds or quantiles, with their texts; shared by the series of a family. Immutable.
struct Cuts {
  explicit Cuts(std::vector<double> cuts);
  const std::vector<double> values;
  std::vector<std::string> text;  // `le="0.5"` or `quantile="0.5"` without the name.
  std::vector<std::string> open_metrics;
};

// What a series has beside a number: histograms and summaries. Of an exponential histogram its
// buckets are in `native`, and there are no cuts.
struct Distribution {
  std::shared_ptr<const Cuts> cuts;
  std::vector<uint64_t> counts;   // Of a histogram, one more than cuts, not cumulative.
  std::vector<double> quantiles;  // Of a summary, one per cut.
  uint64_t count = 0;
  double sum = 0;
  std::unique_ptr<otlp::TreePoint> native;
};

struct StoredExemplar {
  std::string labels;  // As exposition::AppendLabel makes them.
  double value = 0;
  model::Timestamp time_ms = 0;
};

struct Family;

// What every point of a series changes, and nothing else: half a line of the processor's cache.
struct Reading {
  double value = 0;
  uint64_t time_ns = 0;   // Of the last point.
  uint64_t start_ns = 0;  // Since when it counts.
  uint32_t seen = 0;      // When it came, in ticks of the store.
  bool is_used = false;   // The slot has a series.
  bool is_shown = false;  // Not before its first good point, nor after its end.
  bool has_exemplars = false;
};
static_assert(sizeof(Reading) == 32);

// The rest of a series.
struct Series {
  std::string labels;
  std::unique_ptr<std::string> escaped_labels;  // Where they differ, for readers without UTF-8.
  Family* family = nullptr;
  std::unique_ptr<Distribution> distribution;
  std::unique_ptr<std::vector<StoredExemplar>> exemplars;  // Of the last point, where it had any.
  uint32_t generation = 0;  // Counts the series that have had this slot.
};

struct Family {
  std::string name;
  std::string escaped_name;
  std::string help;
  model::MetricType type = model::MetricType::kUnknown;
  std::vector<uint32_t> members;  // Slots.
  bool is_sorted = true;          // Members, by their labels.
  std::vector<std::shared_ptr<const Cuts>> cuts;

  // The one with these values, made if need be.
  std::shared_ptr<const Cuts> CutsOf(std::vector<double> values);
};

enum class Outcome { kStored, kOutOfOrder, kUnsupported, kMalformed };

// Bring a point into a series, by the rules of the official exporter: the newest time wins, deltas
// that continue where the series ended are added up. REQUIRES: the series is of the point's kind.
Outcome Apply(Reading& reading, Series& series, const otlp::Metric& metric,
              const otlp::NumberPoint& point);
Outcome Apply(Reading& reading, Series& series, const otlp::Metric& metric,
              const otlp::HistogramPoint& point);
Outcome Apply(Reading& reading, Series& series, const otlp::Metric& metric,
              const otlp::ExponentialHistogramPoint& point);
Outcome Apply(Reading& reading, Series& series, const otlp::Metric& metric,
              const otlp::SummaryPoint& point);

// The buckets of an exponential histogram as a native one. REQUIRES: there are any.
model::IntegerHistogram NativeOf(const Distribution& distribution);

}  // namespace narthex::exporters::internal
