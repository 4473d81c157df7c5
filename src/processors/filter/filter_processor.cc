#include "processors/filter/filter_processor.h"

#include <algorithm>
#include <optional>

#include "otlp/edit.h"

namespace narthex::processors {
namespace {

bool AnyHolds(const std::vector<ottl::Condition>& conditions, ottl::Subject subject,
              const base::Clock& clock, std::optional<base::Error>& error) {
  subject.clock = &clock;
  return std::ranges::any_of(conditions, [&](const ottl::Condition& condition) {
    base::Result<bool> holds = condition.Evaluate(subject);
    if (!holds.has_value() && !error.has_value()) error = std::move(holds).error();
    return holds.value_or(false);
  });
}

}  // namespace

// Answers for one batch.
class FilterProcessor::Judge final : public otlp::BatchFilter {
 public:
  Judge(const FilterConfig& config, const base::Clock& clock, const otlp::Batch& batch)
      : config_(config), clock_(clock), batch_(batch) {}

  bool KeepResource(const otlp::ResourceMetrics& resource) override {
    return !Holds(config_.resource, {&batch_, &resource});
  }
  bool KeepMetric(const otlp::ResourceMetrics& resource, const otlp::Scope& scope,
                  const otlp::Metric& metric) override {
    const ottl::Subject subject(&batch_, &resource, &scope, &metric);
    return config_.gate.Passes(metric, resource.attributes) && !Holds(config_.scope, subject) &&
           !Holds(config_.metric, subject);
  }
  bool KeepPoint(const otlp::ResourceMetrics& resource, const otlp::Scope& scope,
                 const otlp::Metric& metric, const otlp::PointRef& point) override {
    return !Holds(config_.datapoint, {&batch_, &resource, &scope, &metric, point});
  }
  // The first condition that could not be answered.
  const std::optional<base::Error>& error() const { return error_; }

 private:
  bool Holds(const std::vector<ottl::Condition>& conditions, const ottl::Subject& subject) {
    return !conditions.empty() && AnyHolds(conditions, subject, clock_, error_);
  }

  const FilterConfig& config_;
  const base::Clock& clock_;
  const otlp::Batch& batch_;
  std::optional<base::Error> error_;
};

std::unique_ptr<pipeline::Processor> FilterProcessor::Create(const pipeline::CreateContext& context,
                                                             pipeline::Consumer& next) {
  return std::make_unique<FilterProcessor>(ReadFilterConfig(context), context.id.ToString(),
                                           context.host, next);
}

FilterProcessor::FilterProcessor(FilterConfig config, const std::string& name, pipeline::Host& host,
                                 pipeline::Consumer& next)
    : config_(std::move(config)),
      name_(name),
      clock_(host.env.clock),
      logger_(host.logger),
      handover_(host, name, next),
      filtered_(host.meter
                    .CreateUInt64Counter("otelcol_processor_filter_datapoints_filtered",
                                         "Number of metric data points dropped by the filter "
                                         "processor.",
                                         "{datapoints}")
                    ->Bind({{"filter", name}})) {}

base::Status FilterProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  Judge judge(config_, clock_, batch);
  otlp::Batch kept = otlp::FilterBatch(batch, judge);
  if (judge.error().has_value() && config_.error_mode == FilterConfig::ErrorMode::kPropagate) {
    return handover_.Refuse(points, *judge.error());
  }
  if (judge.error().has_value() && config_.error_mode == FilterConfig::ErrorMode::kIgnore) {
    logger_.Warn("filter", "a condition could not be answered, and counts as false",
                 {{"processor", name_}, {"error", judge.error()->message}});
  }
  filtered_.Add(points - kept.point_count());
  return handover_.Pass(std::move(kept), points);
}

}  // namespace narthex::processors
