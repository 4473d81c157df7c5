#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/handover.h"

namespace narthex::processors {

// Moves attributes from points to their resource and joins equal resources, scopes and metrics.
// Without keys it only joins. Thread-safe.
// Source: opentelemetry-collector-contrib, processor/groupbyattrsprocessor.
class GroupByAttrsProcessor final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  GroupByAttrsProcessor(std::vector<std::string> keys, const std::string& name,
                        pipeline::Host& host, pipeline::Consumer& next);
  base::Status Start() override { return {}; }
  void Stop() override {}
  base::Status Consume(otlp::Batch batch) override;

 private:
  const std::vector<std::string> keys_;
  pipeline::Handover handover_;
};

inline constexpr pipeline::ProcessorFactory kGroupByAttrsProcessor = {
    "groupbyattrs", "group_by_attrs", &GroupByAttrsProcessor::Create};

}  // namespace narthex::processors
