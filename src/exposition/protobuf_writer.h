#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/metadata.h"
#include "model/sample.h"

namespace narthex::exposition {

// Writes Prometheus's protobuf exposition: MetricFamily messages, each behind its length. The only
// exposition that has native histograms. `labels` are what AppendLabel made. One thread at a time.
// Source: prometheus/client_model, metrics.proto.
class ProtobufWriter {
 public:
  static constexpr std::string_view kContentType =
      "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
      "encoding=delimited";

  struct Exemplar {
    std::string_view labels;
    double value = 0;
    std::optional<model::Timestamp> timestamp;
  };
  struct Bucket {
    double upper_bound;
    uint64_t cumulative_count;
    const Exemplar* exemplar;  // Null for none.
  };
  // The counts of neighbouring buckets from `first` on; bucket i ends at 2^(i / 2^schema).
  struct NativeSide {
    int32_t first = 0;
    std::span<const uint64_t> counts;
  };
  struct Native {
    int32_t schema = 0;  // Within -4 and 8.
    double zero_threshold = 0;
    uint64_t zero_count = 0;
    NativeSide positive, negative;
  };

  void BeginFamily(std::string_view name, model::MetricType type, std::string_view help);
  // A counter, a gauge or something of unknown type.
  void Number(std::string_view labels, double value, const Exemplar* exemplar,
              std::optional<model::Timestamp> timestamp);
  void Histogram(std::string_view labels, uint64_t count, double sum,
                 std::span<const Bucket> buckets, const Native* native,
                 std::optional<model::Timestamp> timestamp);
  void Summary(std::string_view labels, uint64_t count, double sum,
               std::span<const std::pair<double, double>> quantiles,
               std::optional<model::Timestamp> timestamp);

  // Ends the exposition and hands it over.
  std::string Finish();

 private:
  void EndFamily();

  model::MetricType type_ = model::MetricType::kUnknown;
  bool is_open_ = false;
  std::string family_;  // The message under way.
  std::string out_;
};

// The names and values in what AppendLabel made. Text of another form gives what can be read of it.
std::vector<std::pair<std::string, std::string>> SplitLabels(std::string_view labels);

}  // namespace narthex::exposition
