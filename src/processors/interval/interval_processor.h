#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "otlp/stream.h"
#include "pipeline/beat.h"
#include "pipeline/factory.h"

namespace narthex::processors {

// Keeps the last point of every cumulative stream and sends them on once per interval; deltas and
// sums that may fall pass at once. Thread-safe.
// Source: opentelemetry-collector-contrib, processor/intervalprocessor.
class IntervalProcessor final : public pipeline::Processor {
 public:
  struct Config {
    std::chrono::nanoseconds interval{std::chrono::seconds(60)};
    bool passes_gauges = false;
    bool passes_summaries = false;
  };
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  IntervalProcessor(Config config, const std::string& name, pipeline::Host& host,
                    pipeline::Consumer& next);
  ~IntervalProcessor() override;
  base::Status Start() override;
  // Sends on what is kept.
  void Stop() override;
  base::Status Consume(otlp::Batch batch) override;

 private:
  bool Keeps(const otlp::TreeMetric& metric) const;
  void Keep(const otlp::TreeResource& resource, const otlp::TreeScope& scope,
            otlp::TreeMetric& metric) REQUIRES_LOCK(mutex_);
  void Flush();
  base::Status Send(otlp::Batch batch);

  const Config config_;
  const std::string name_;
  base::Logger& logger_;
  pipeline::Consumer& next_;
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> incoming_;
  sdk::BoundCounter<uint64_t> outgoing_;

  base::Mutex mutex_;
  otlp::TreeMerger kept_ GUARDED_BY(mutex_);
  struct Place {
    otlp::TreeMetric* metric;
    size_t index;
  };
  std::unordered_map<std::string, Place> places_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  pipeline::Beat beat_;
};

inline constexpr pipeline::ProcessorFactory kIntervalProcessor = {"interval", "",
                                                                  &IntervalProcessor::Create};

}  // namespace narthex::processors
