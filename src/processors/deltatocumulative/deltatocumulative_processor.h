#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "otlp/tree.h"
#include "pipeline/handover.h"

namespace narthex::processors {

// Adds up delta sums, histograms and exponential histograms; what is not delta passes unchanged.
// Points that are not younger than the last one of their stream are dropped. Thread-safe.
// Source: opentelemetry-collector-contrib, processor/deltatocumulativeprocessor.
class DeltaToCumulativeProcessor final : public pipeline::Processor {
 public:
  struct Config {
    std::chrono::nanoseconds max_stale{std::chrono::minutes(5)};  // Without points; 0: forever.
    size_t max_streams = SIZE_MAX;  // Points of further ones are dropped.
  };
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  DeltaToCumulativeProcessor(Config config, const std::string& name, pipeline::Host& host,
                             pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  enum class Fate { kAdded, kOutOfOrder, kLimit };
  struct Stream {
    otlp::TreePoint total;
    int64_t seen_ns = 0;  // Monotonic.
  };

  // Makes the point cumulative, unless it is to be dropped.
  Fate Add(const std::string& key, otlp::MetricKind kind, otlp::TreePoint& point, int64_t now_ns)
      REQUIRES_LOCK(mutex_);
  void ForgetStale(int64_t now_ns) REQUIRES_LOCK(mutex_);

  const Config config_;
  const base::Clock& clock_;
  pipeline::Handover handover_;
  std::unique_ptr<sdk::Counter<uint64_t>> datapoints_;
  std::unique_ptr<sdk::UpDownCounter<int64_t>> tracked_;

  base::Mutex mutex_;
  std::unordered_map<std::string, Stream> streams_ GUARDED_BY(mutex_);
  int64_t looked_ns_ GUARDED_BY(mutex_) = 0;  // For stale streams.
};

inline constexpr pipeline::ProcessorFactory kDeltaToCumulativeProcessor = {
    "deltatocumulative", "delta_to_cumulative", &DeltaToCumulativeProcessor::Create};

}  // namespace narthex::processors
