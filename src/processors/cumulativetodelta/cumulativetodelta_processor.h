#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "pipeline/handover.h"
#include "processors/cumulativetodelta/config.h"

namespace narthex::processors {

// Turns cumulative monotonic sums and histograms into what was added since the point before; what
// is not chosen passes unchanged. Thread-safe.
// Source: opentelemetry-collector-contrib, processor/cumulativetodeltaprocessor.
class CumulativeToDeltaProcessor final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  CumulativeToDeltaProcessor(CumulativeToDeltaConfig config, const std::string& name,
                             pipeline::Host& host, pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  struct Stream {
    otlp::TreePoint last;
    int64_t seen_ns = 0;  // Monotonic.
  };
  // Makes the point a delta; false when it is to be dropped.
  bool Convert(const std::string& key, otlp::MetricKind kind, otlp::TreePoint& point,
               int64_t now_ns) REQUIRES_LOCK(mutex_);
  bool IsFirstKept(const otlp::TreePoint& point) const;
  void ForgetStale(int64_t now_ns) REQUIRES_LOCK(mutex_);

  const CumulativeToDeltaConfig config_;
  const base::Clock& clock_;
  const uint64_t made_ns_;  // Wall clock.
  pipeline::Handover handover_;

  base::Mutex mutex_;
  std::unordered_map<std::string, Stream> streams_ GUARDED_BY(mutex_);
  int64_t looked_ns_ GUARDED_BY(mutex_) = 0;  // For stale streams.
};

inline constexpr pipeline::ProcessorFactory kCumulativeToDeltaProcessor = {
    "cumulativetodelta", "cumulative_to_delta", &CumulativeToDeltaProcessor::Create};

}  // namespace narthex::processors
