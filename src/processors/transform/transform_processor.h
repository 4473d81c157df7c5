#pragma once

#include <memory>
#include <string>

#include "pipeline/handover.h"
#include "processors/transform/config.h"

namespace narthex::processors {

// Changes metrics as statements in the OpenTelemetry Transformation Language say. Thread-safe.
// Source: opentelemetry-collector-contrib, processor/transformprocessor.
class TransformProcessor final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  TransformProcessor(TransformConfig config, const std::string& name, pipeline::Host& host,
                     pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  // Error: kInvalidArgument when a statement fails and errors are propagated.
  base::Status Consume(otlp::Batch batch) override;

 private:
  using Group = TransformConfig::Group;
  base::Status Run(const Group& group, otlp::Tree& tree) const;
  base::Status RunOnResource(const Group& group, ottl::Stage& stage) const;
  base::Status RunOnMetrics(const Group& group, ottl::Stage& stage) const;
  base::Status RunOnExemplars(const Group& group, ottl::Stage& stage) const;
  // On one item.
  base::Status RunHere(const Group& group, ottl::Stage& stage) const;
  // What becomes of an error: itself, or success after a word in the log.
  base::Status Judge(const Group& group, const base::Error& error) const;

  const TransformConfig config_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Handover handover_;
};

inline constexpr pipeline::ProcessorFactory kTransformProcessor = {"transform", "",
                                                                   &TransformProcessor::Create};

}  // namespace narthex::processors
