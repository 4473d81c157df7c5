#pragma once

#include <memory>
#include <string>

#include "pipeline/handover.h"
#include "processors/filter/config.h"

namespace narthex::processors {

// Drops resources, scopes, metrics and data points. What has nothing left goes with them; the rest
// stays byte for byte. Thread-safe.
// Source: opentelemetry-collector-contrib, processor/filterprocessor.
class FilterProcessor final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  FilterProcessor(FilterConfig config, const std::string& name, pipeline::Host& host,
                  pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  class Judge;

  const FilterConfig config_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Handover handover_;
  sdk::BoundCounter<uint64_t> filtered_;
};

inline constexpr pipeline::ProcessorFactory kFilterProcessor = {"filter", "",
                                                                &FilterProcessor::Create};

}  // namespace narthex::processors
