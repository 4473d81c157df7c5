#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/histogram.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace narthex::exposition {

// "application/vnd.google.protobuf; …" of a delimited exposition.
std::string_view ProtobufContentType();

// Writes a delimited protobuf exposition family by family: what Writer does as text, and native
// histograms. `labels` are what AppendLabel made. One thread at a time.
// Source: Prometheus, client_model, io/prometheus/client/metrics.proto.
class ProtobufWriter {
 public:
  struct Exemplar {
    std::string_view labels;
    double value = 0;
    std::optional<model::Timestamp> timestamp;
  };
  struct Extras {
    std::optional<model::Timestamp> timestamp;
    // Since when the series counts, in nanoseconds since the epoch; 0: not known.
    uint64_t created_ns = 0;
  };

  void Family(std::string_view name, model::MetricType type, std::string_view help);
  // Of counters (the only ones with an exemplar), gauges, and what is neither.
  void Number(std::string_view labels, double value, const std::optional<Exemplar>& exemplar,
              const Extras& extras);
  // `counts` of the buckets, not cumulative: one more than `bounds`. Each exemplar goes to its
  // bucket, the last of several.
  void Histogram(std::string_view labels, std::span<const double> bounds,
                 std::span<const uint64_t> counts, uint64_t count, double sum,
                 std::span<const Exemplar> exemplars, const Extras& extras);
  void NativeHistogram(std::string_view labels, const model::IntegerHistogram& histogram,
                       const Extras& extras);
  // One value per quantile.
  void Summary(std::string_view labels, std::span<const double> quantiles,
               std::span<const double> values, uint64_t count, double sum, const Extras& extras);

  // Ends the exposition and hands it over.
  std::string Finish();

 private:
  void EndFamily();

  model::MetricType type_ = model::MetricType::kUnknown;
  std::string family_;  // The one at hand.
  std::string out_;
};

}  // namespace narthex::exposition
