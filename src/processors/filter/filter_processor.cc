#include "processors/filter/filter_processor.h"

#include <algorithm>

#include "otlp/edit.h"

namespace narthex::processors {
namespace {

bool AnyHolds(const std::vector<ottl::Condition>& conditions, const ottl::Subject& subject) {
  return std::ranges::any_of(
      conditions, [&](const ottl::Condition& condition) { return condition.Holds(subject); });
}

}  // namespace

// Answers for one batch.
class FilterProcessor::Judge final : public otlp::BatchFilter {
 public:
  Judge(const FilterConfig& config, const otlp::Batch& batch) : config_(config), batch_(batch) {}

  bool KeepResource(const otlp::ResourceMetrics& resource) override {
    return !AnyHolds(config_.resource, {.batch = &batch_, .resource = &resource});
  }
  bool KeepMetric(const otlp::ResourceMetrics& resource, const otlp::Scope& scope,
                  const otlp::Metric& metric) override {
    const ottl::Subject subject{&batch_, &resource, &scope, &metric, {}};
    return config_.gate.Passes(metric, resource.attributes) && !AnyHolds(config_.scope, subject) &&
           !AnyHolds(config_.metric, subject);
  }
  bool KeepPoint(const otlp::ResourceMetrics& resource, const otlp::Scope& scope,
                 const otlp::Metric& metric, std::string_view attributes) override {
    return config_.datapoint.empty() ||
           !AnyHolds(config_.datapoint, {&batch_, &resource, &scope, &metric, attributes});
  }

 private:
  const FilterConfig& config_;
  const otlp::Batch& batch_;
};

std::unique_ptr<pipeline::Processor> FilterProcessor::Create(const pipeline::CreateContext& context,
                                                             pipeline::Consumer& next) {
  return std::make_unique<FilterProcessor>(ReadFilterConfig(context), context.id.ToString(),
                                           context.host, next);
}

FilterProcessor::FilterProcessor(FilterConfig config, const std::string& name, pipeline::Host& host,
                                 pipeline::Consumer& next)
    : config_(std::move(config)),
      handover_(host, name, next),
      filtered_(host.meter
                    .CreateUInt64Counter("otelcol_processor_filter_datapoints_filtered",
                                         "Number of metric data points dropped by the filter "
                                         "processor.",
                                         "{datapoints}")
                    ->Bind({{"filter", name}})) {}

base::Status FilterProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  Judge judge(config_, batch);
  otlp::Batch kept = otlp::FilterBatch(batch, judge);
  filtered_.Add(points - kept.point_count());
  return handover_.Pass(std::move(kept), points);
}

}  // namespace narthex::processors
