#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "connectors/spanmetrics/aggregator.h"
#include "connectors/spanmetrics/config.h"
#include "pipeline/beat.h"
#include "pipeline/factory.h"

namespace narthex::connectors {

// Takes traces and gives metrics: how many spans there were and how long they took. Thread-safe.
// Source: opentelemetry-collector-contrib, connector/spanmetricsconnector.
class SpanMetricsConnector final : public pipeline::Connector, private pipeline::Passage {
 public:
  static std::unique_ptr<pipeline::Connector> Create(const pipeline::CreateContext& context,
                                                     const pipeline::ConnectorOutputs& outputs);

  // `next`: null where it leads to no metrics.
  SpanMetricsConnector(SpanMetricsConfig config, const std::string& name, pipeline::Host& host,
                       pipeline::Consumer* next);
  ~SpanMetricsConnector() override { Stop(); }

  base::Status Start() override;
  // Sends on what has come since the last interval.
  void Stop() override;
  pipeline::Passage* passage(pipeline::Signal signal) override;

 private:
  bool TakesJson() const override { return true; }
  void Pass(pipeline::PassedRequest request, Done done) override;
  base::Status Take(pipeline::PassedRequest request);
  void Flush();
  SpanTime Now() const;

  const SpanMetricsConfig config_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Consumer* const next_;
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> spans_, overflowed_, without_name_, too_many_;
  sdk::BoundUpDownCounter<int64_t> series_;

  base::Mutex mutex_;
  SpanAggregator aggregator_ GUARDED_BY(mutex_);
  int64_t series_told_ GUARDED_BY(mutex_) = 0;
  bool is_running_ GUARDED_BY(mutex_) = false;
  pipeline::Beat beat_;
};

inline constexpr pipeline::ConnectorFactory kSpanMetricsConnector = {"spanmetrics", "span_metrics",
                                                                     &SpanMetricsConnector::Create};

}  // namespace narthex::connectors
