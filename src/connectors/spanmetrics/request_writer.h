#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "connectors/spanmetrics/config.h"
#include "connectors/spanmetrics/series.h"
#include "otlp/writer.h"

namespace narthex::connectors {

// Writes series as ExportMetricsServiceRequests: resources, metrics in them, points in those. What
// would be empty is left out. One thread at a time.
class RequestWriter {
 public:
  enum class Kind : uint8_t { kCalls, kDurations, kEvents };

  // Points are of the time `time_ns`, since the epoch.
  RequestWriter(const SpanMetricsConfig& config, uint64_t time_ns)
      : config_(config), time_ns_(time_ns) {}

  // `attributes`: the fields of a Resource.
  void BeginResource(std::string_view attributes) { resource_ = attributes; }
  void BeginMetric(Kind kind) { kind_ = kind; }
  // A point of that metric of that resource.
  void Add(const SpanSeries& series);
  void EndMetric();
  void EndResource();
  // Of a few MiB each, unless one resource has more.
  std::vector<std::string> Take();

 private:
  void OpenResource();
  void OpenMetric();
  void AddNumber(const SpanSeries& series);
  void AddExplicit(const SpanSeries& series);
  void AddExponential(const SpanSeries& series);
  void PutTimes(const SpanSeries& series);
  void PutExemplars(uint32_t field, const SpanSeries& series);

  const SpanMetricsConfig& config_;
  const uint64_t time_ns_;
  std::string_view resource_;
  Kind kind_ = Kind::kCalls;
  bool resource_is_open_ = false, metric_is_open_ = false;
  otlp::Writer::Mark resource_mark_ = 0, scope_mark_ = 0, metric_mark_ = 0, data_mark_ = 0;
  otlp::Writer writer_;
  std::vector<std::string> requests_;
};

}  // namespace narthex::connectors
