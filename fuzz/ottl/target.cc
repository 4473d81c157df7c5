#include <cstdint>
#include <string_view>

#include "ottl/condition.h"

// Whatever parses can be asked about any batch.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const otlp::Batch batch;
  const otlp::ResourceMetrics resource;
  const otlp::Scope scope;
  const otlp::Metric metric;
  for (const ottl::Level level : {ottl::Level::kMetric, ottl::Level::kDatapoint}) {
    const auto condition = ottl::Condition::Parse(text, level);
    if (condition.has_value()) (void)condition->Holds({&batch, &resource, &scope, &metric, {}});
  }
  return 0;
}
