#pragma once

#include <memory>
#include <string>

#include "attributes/actions.h"
#include "pipeline/handover.h"

namespace narthex::processors {

// Changes the attributes of resources. Thread-safe.
class ResourceProcessor final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  ResourceProcessor(attributes::Actions actions, const std::string& name, pipeline::Host& host,
                    pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  const attributes::Actions actions_;
  pipeline::Handover handover_;
};

inline constexpr pipeline::ProcessorFactory kResourceProcessor = {"resource", "",
                                                                  &ResourceProcessor::Create};

}  // namespace narthex::processors
