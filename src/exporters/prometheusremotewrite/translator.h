#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "exporters/prometheusremotewrite/config.h"
#include "exporters/prometheusremotewrite/message.h"
#include "otlp/tree.h"
#include "translate/series_labels.h"

namespace narthex::exporters {

// Turns a batch into remote-write messages. One thread at a time.
// Source: opentelemetry-collector-contrib, pkg/translator/prometheusremotewrite.
class Translator {
 public:
  // `config` must outlive the translator.
  explicit Translator(const RemoteWriteConfig& config)
      : config_(config), message_(config.is_version_2) {}

  // Of points without series: their number, by reason.
  using Losses = std::map<std::string_view, size_t>;
  struct Part {
    std::string bytes;
    size_t points = 0;
    size_t elements = 0;  // Samples and native histograms that they are.
  };
  std::vector<Part> Run(const otlp::Batch& batch, Losses& losses);

 private:
  struct Around;  // What the points of a metric share.

  void TakeResource(const otlp::TreeResource& resource);
  void TakeMetric(const otlp::TreeMetric& metric, Around& around);
  // False for a point that no series can carry.
  bool TakePoint(const otlp::TreeMetric& metric, const otlp::TreePoint& point,
                 const Around& around);
  void TakeHistogram(const otlp::TreePoint& point, const Around& around);
  bool TakeExponential(otlp::TreePoint point, const Around& around);
  void TakeSummary(const otlp::TreePoint& point, const Around& around);
  void TakeTarget(const otlp::TreeResource& resource, uint64_t time_ns);
  void Put(const Around& around, const otlp::TreePoint& point, std::string_view suffix,
           double value, std::string_view label = "", std::string_view label_value = "",
           const std::vector<WireExemplar>& exemplars = {});
  LabelPairs LabelsOf(const Around& around, const otlp::TreePoint& point, std::string_view suffix,
                      std::string_view label, std::string_view label_value) const;
  void CutIfFull();
  void Cut();

  const RemoteWriteConfig& config_;
  Message message_;
  size_t points_ = 0;  // In the open message.
  std::vector<Part> parts_;
  Losses* losses_ = nullptr;
};

}  // namespace narthex::exporters
