#include "processors/interval/interval_processor.h"

#include "otlp/aggregate.h"
#include "otlp/rebuilt.h"

namespace narthex::processors {

using otlp::MetricKind;

std::unique_ptr<pipeline::Processor> IntervalProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  Config config;
  int64_t interval_ns = config.interval.count();
  config::MapReader reader(context.config, context.diagnostics);
  reader.ReadGoDuration("interval", interval_ns, "How often the last points are sent on");
  if (const config::Node* node = reader.Take("pass_through", "What goes on at once")) {
    config::MapReader pass_reader(*node, context.diagnostics);
    pass_reader.Read("gauge", config.passes_gauges, "Gauges do");
    pass_reader.Read("summary", config.passes_summaries, "Summaries do");
    pass_reader.Finish();
  }
  reader.Finish();
  if (interval_ns <= 0) reader.Report("interval", "must be positive");
  config.interval = std::chrono::nanoseconds(interval_ns);
  return std::make_unique<IntervalProcessor>(config, context.id.ToString(), context.host, next);
}

IntervalProcessor::IntervalProcessor(Config config, const std::string& name, pipeline::Host& host,
                                     pipeline::Consumer& next)
    : config_(config),
      name_(name),
      logger_(host.logger),
      next_(next),
      flow_(host.instruments, "processor/" + name),
      incoming_(host.instruments.processor_incoming->Bind(
          {{"processor", name}, {"otel_signal", "metrics"}})),
      outgoing_(host.instruments.processor_outgoing->Bind(
          {{"processor", name}, {"otel_signal", "metrics"}})),
      beat_(host.env.clock, config_.interval, [this] { Flush(); }) {}

IntervalProcessor::~IntervalProcessor() { Stop(); }

base::Status IntervalProcessor::Start() {
  beat_.Start();
  return {};
}

void IntervalProcessor::Stop() {
  {
    base::MutexLock lock(mutex_);
    stop_ = true;
  }
  beat_.Stop();
  Flush();
}

bool IntervalProcessor::Keeps(const otlp::TreeMetric& metric) const {
  switch (metric.kind) {
    case MetricKind::kNone:
      return false;
    case MetricKind::kGauge:
      return !config_.passes_gauges;
    case MetricKind::kSummary:
      return !config_.passes_summaries;
    case MetricKind::kSum:
      if (!metric.is_monotonic) return false;
      break;
    default:
      break;
  }
  return metric.temporality == otlp::Temporality::kCumulative;
}

base::Status IntervalProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  otlp::Tree tree = otlp::Tree::From(batch);
  {
    base::MutexLock lock(mutex_);
    if (stop_) return base::Fail(base::Code::kUnavailable, "the interval processor has stopped");
    incoming_.Add(points);
    flow_.In(points);
    // The analysis does not see that it is called at once, under the lock.
    otlp::VisitMetrics(tree, [&](const otlp::TreeResource& resource, const otlp::TreeScope& scope,
                                 otlp::TreeMetric& metric) NO_THREAD_SAFETY_ANALYSIS {
      if (!Keeps(metric)) return;
      Keep(resource, scope, metric);
      metric.points.clear();
    });
  }
  otlp::Batch rest = otlp::Rebuilt(tree, batch);
  return rest.point_count() == 0 ? base::Status() : Send(std::move(rest));
}

void IntervalProcessor::Keep(const otlp::TreeResource& resource, const otlp::TreeScope& scope,
                             otlp::TreeMetric& metric) {
  otlp::TreeMetric& home = kept_.Place(resource, scope, metric);
  const std::string metric_key =
      otlp::ResourceKey(resource) + otlp::ScopeKey(scope) + otlp::MetricKey(metric);
  for (otlp::TreePoint& point : metric.points) {
    const auto [place, is_new] = places_.emplace(metric_key + otlp::KeyOf(point.attributes),
                                                 Place{&home, home.points.size()});
    if (is_new) {
      home.points.push_back(std::move(point));
      flow_.Waiting(1);
      continue;
    }
    // Of two points of a stream one is enough: the younger.
    otlp::TreePoint& last = home.points[place->second.index];
    if (point.time_ns >= last.time_ns) last = std::move(point);
    flow_.Lost("superseded", 1);
  }
}

void IntervalProcessor::Flush() {
  otlp::Batch batch;
  {
    base::MutexLock lock(mutex_);
    places_.clear();
    batch = kept_.Take().ToBatch();
  }
  const size_t points = batch.point_count();
  if (points == 0) return;
  if (const base::Status status = Send(std::move(batch)); !status.has_value()) {
    logger_.Warn("interval", "the next stage refused what an interval brought",
                 {{"processor", name_}, {"points", points}, {"error", status.error().message}});
  }
  flow_.Waiting(-static_cast<int64_t>(points));
}

base::Status IntervalProcessor::Send(otlp::Batch batch) {
  const size_t points = batch.point_count();
  base::Status status = next_.Consume(std::move(batch));
  if (status.has_value()) {
    outgoing_.Add(points);
    flow_.Out(points);
  } else {
    flow_.Lost("refused_downstream", points);
  }
  return status;
}

}  // namespace narthex::processors
