#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/metadata.h"
#include "otlp/writer.h"

namespace narthex::exporters {

using LabelPairs = std::vector<std::pair<std::string, std::string>>;  // Sorted by name.

// A native histogram as remote write has it.
struct WireHistogram {
  uint64_t count = 0;
  double sum = 0;
  int32_t schema = 0;
  double zero_threshold = 0;
  uint64_t zero_count = 0;
  struct Side {
    int32_t offset = 0;  // Prometheus's index of the first bucket.
    std::vector<uint64_t> counts;
  };
  Side positive, negative;
};

struct WireExemplar {
  LabelPairs labels;
  double value = 0;
  int64_t time_ms = 0;
};

struct WireMetadata {
  model::MetricType type = model::MetricType::kUnknown;
  std::string family, help, unit;
};

// Puts one remote-write message together, version 1 or 2. One thread at a time.
// Source: Prometheus Remote-Write specifications 1.0 and 2.0.
class Message {
 public:
  explicit Message(bool is_version_2) : is_version_2_(is_version_2) { StartSymbols(); }

  // One series with one sample. `created_ms`: since when it counts, 0 for unknown (version 2).
  void AddSample(const LabelPairs& labels, double value, int64_t time_ms, int64_t created_ms,
                 const std::vector<WireExemplar>& exemplars, const WireMetadata& metadata);
  void AddHistogram(const LabelPairs& labels, const WireHistogram& histogram, int64_t time_ms,
                    int64_t created_ms, const std::vector<WireExemplar>& exemplars,
                    const WireMetadata& metadata);
  // Version 1 tells of families apart from series.
  void AddMetadata(const WireMetadata& metadata);

  size_t byte_size() const { return writer_.size() + symbol_bytes_; }
  bool empty() const { return writer_.size() == 0; }
  // Samples and native histograms.
  size_t element_count() const { return element_count_; }
  // The bytes; the message is empty again.
  std::string Take();

 private:
  void StartSymbols();
  uint32_t Symbol(std::string_view text);
  void PutLabels(const LabelPairs& labels);
  void PutExemplars(const std::vector<WireExemplar>& exemplars);
  // What follows the samples of a series in version 2.
  void PutTail(const WireMetadata& metadata, int64_t created_ms);
  void PutHistogram(uint32_t field, const WireHistogram& histogram, int64_t time_ms);

  const bool is_version_2_;
  otlp::Writer writer_;
  std::unordered_map<std::string, uint32_t> symbols_;
  std::vector<std::string> order_;
  size_t symbol_bytes_ = 0;
  size_t element_count_ = 0;
};

}  // namespace narthex::exporters
