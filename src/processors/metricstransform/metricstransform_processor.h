#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/handover.h"
#include "processors/metricstransform/config.h"

namespace narthex::processors {

// Renames, copies and combines metrics, and changes their labels and values, within each batch.
// Thread-safe. Source: opentelemetry-collector-contrib, processor/metricstransformprocessor.
class MetricsTransformProcessor final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  MetricsTransformProcessor(std::vector<MetricTransform> transforms, const std::string& name,
                            pipeline::Host& host, pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  const std::vector<MetricTransform> transforms_;
  pipeline::Handover handover_;
};

inline constexpr pipeline::ProcessorFactory kMetricsTransformProcessor = {
    "metricstransform", "metrics_transform", &MetricsTransformProcessor::Create};

}  // namespace narthex::processors
