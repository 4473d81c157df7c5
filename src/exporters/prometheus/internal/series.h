#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "exporters/prometheus/internal/exemplar.h"
#include "model/metadata.h"
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

// What a series has beside a number: histograms and summaries.
struct Distribution {
  std::shared_ptr<const Cuts> cuts;
  std::vector<uint64_t> counts;   // Of a histogram, one more than cuts, not cumulative.
  std::vector<double> quantiles;  // Of a summary, one per cut.
  uint64_t count = 0;
  double sum = 0;
  // Of an exponential histogram, at a scale that native histograms have; null for others and for
  // those that are too coarse.
  std::unique_ptr<otlp::TreePoint> native;
};

// The newest exemplar of each bucket that has one; of a counter, of bucket 0.
using ExemplarMap = std::map<size_t, ShownExemplar>;

struct Family;

struct Series {
  std::string labels;
  std::unique_ptr<std::string> escaped_labels;  // Where they differ, for readers without UTF-8.
  Family* family = nullptr;
  bool is_shown = false;  // Not before its first good point, nor after its end.
  double value = 0;
  uint64_t time_ns = 0;  // Of the last point.
  int64_t seen_ns = 0;   // When it came, by the monotonic clock.
  std::unique_ptr<Distribution> distribution;
  std::unique_ptr<ExemplarMap> exemplars;
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

// Takes in exemplars of a point that has been applied. REQUIRES: a counter or a histogram.
void KeepExemplars(Series& series, std::vector<ShownExemplar> exemplars);

enum class Outcome { kStored, kOutOfOrder, kUnsupported, kMalformed };

// Bring a point into a series, by the rules of the official exporter: the newest time wins, deltas
// that continue where the series ended are added up. REQUIRES: the series is of the point's kind.
Outcome Apply(Series& series, const otlp::Metric& metric, const otlp::NumberPoint& point);
Outcome Apply(Series& series, const otlp::Metric& metric, const otlp::HistogramPoint& point);
Outcome Apply(Series& series, const otlp::Metric& metric,
              const otlp::ExponentialHistogramPoint& point);
Outcome Apply(Series& series, const otlp::Metric& metric, const otlp::SummaryPoint& point);

}  // namespace narthex::exporters::internal
