#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "otlp/tree.h"
#include "pipeline/handover.h"

namespace re2 {
class RE2;
}

namespace narthex::processors {

// Gives cumulative points that do not say since when they count a time to say: sums that only grow,
// histograms and summaries. Points with a start time, and other metrics, pass as they are.
// Thread-safe. Source: opentelemetry-collector-contrib, processor/metricstarttimeprocessor.
class MetricStartTimeProcessor final : public pipeline::Processor {
 public:
  enum class Strategy {
    kTrueResetPoint,        // The first point's own time, so that it stands for what was before.
    kSubtractInitialPoint,  // The same, without the first point and what it counted.
    kStartTimeMetric,       // What another metric of the batch says.
  };
  struct Config {
    Strategy strategy = Strategy::kTrueResetPoint;
    std::chrono::nanoseconds gc_interval{std::chrono::minutes(10)};
    std::shared_ptr<const re2::RE2> metric_name;  // Null: process_start_time_seconds.
  };
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  MetricStartTimeProcessor(Config config, const std::string& name, pipeline::Host& host,
                           pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  struct Stream {
    uint64_t start_ns = 0;
    otlp::TreePoint last;
    otlp::TreePoint first;  // What is subtracted.
    bool is_seen = true;    // Since streams were last looked through.
  };

  // False where the point is to be dropped. `metric_start_ns`: what kStartTimeMetric says.
  bool Adjust(const std::string& key, otlp::MetricKind kind, otlp::TreePoint& point,
              uint64_t metric_start_ns) REQUIRES_LOCK(mutex_);
  void ForgetUnseen() REQUIRES_LOCK(mutex_);
  uint64_t StartOf(const otlp::Tree& tree) const;
  bool IsStartMetric(const std::string& name) const;

  const Config config_;
  const base::Clock& clock_;
  const uint64_t began_ns_;  // About when the collector did.
  pipeline::Handover handover_;

  base::Mutex mutex_;
  std::unordered_map<std::string, Stream> streams_ GUARDED_BY(mutex_);
  int64_t looked_ns_ GUARDED_BY(mutex_);  // Monotonic.
};

inline constexpr pipeline::ProcessorFactory kMetricStartTimeProcessor = {
    "metricstarttime", "metric_start_time", &MetricStartTimeProcessor::Create};

}  // namespace narthex::processors
