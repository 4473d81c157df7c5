#pragma once

#include <memory>
#include <string>

#include "attributes/actions.h"
#include "attributes/metric_gate.h"
#include "pipeline/handover.h"

namespace narthex::processors {

// Changes the attributes of data points, of all metrics or of those that `include` and `exclude`
// choose. Points that become alike are not added up. Thread-safe.
class AttributesProcessor final : public pipeline::Processor {
 public:
  struct Config {
    attributes::Actions actions;
    attributes::MetricGate gate;
  };
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  AttributesProcessor(Config config, const std::string& name, pipeline::Host& host,
                      pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  // Whether anything has changed.
  bool Edit(otlp::Batch& batch, otlp::Metric& metric, otlp::Arena& arena) const;

  const Config config_;
  pipeline::Handover handover_;
};

inline constexpr pipeline::ProcessorFactory kAttributesProcessor = {"attributes", "",
                                                                    &AttributesProcessor::Create};

}  // namespace narthex::processors
