#include "connectors/spanmetrics/spanmetrics_connector.h"

#include <utility>

#include "base/check.h"
#include "otlp/decode.h"
#include "otlp/response.h"

namespace narthex::connectors {
namespace {

sdk::BoundCounter<uint64_t> CounterOf(pipeline::Host& host, const std::string& connector,
                                      std::string_view name, std::string_view description) {
  return host.meter.CreateUInt64Counter(name, description, "{spans}")
      ->Bind({{"connector", connector}});
}

sdk::BoundCounter<uint64_t> SkippedOf(pipeline::Host& host, const std::string& connector,
                                      std::string_view reason) {
  return host.meter
      .CreateUInt64Counter("narthex_spanmetrics_skipped_spans", "Spans that were not counted.",
                           "{spans}")
      ->Bind({{"connector", connector}, {"reason", reason}});
}

}  // namespace

std::unique_ptr<pipeline::Connector> SpanMetricsConnector::Create(
    const pipeline::CreateContext& context, const pipeline::ConnectorOutputs& outputs) {
  return std::make_unique<SpanMetricsConnector>(
      SpanMetricsConfig::Read(context), context.id.ToString(), context.host, outputs.metrics);
}

SpanMetricsConnector::SpanMetricsConnector(SpanMetricsConfig config, const std::string& name,
                                           pipeline::Host& host, pipeline::Consumer* next)
    : config_(std::move(config)),
      name_(name),
      clock_(host.env.clock),
      logger_(host.logger),
      next_(next),
      flow_(host.instruments, "connector/" + name),
      spans_(CounterOf(host, name, "narthex_spanmetrics_spans", "Spans that were counted.")),
      overflowed_(CounterOf(host, name, "narthex_spanmetrics_overflowed_spans",
                            "Spans that a limit had counted without their dimensions.")),
      without_name_(SkippedOf(host, name, "no_service_name")),
      too_many_(SkippedOf(host, name, "series_limit")),
      series_(host.meter
                  .CreateInt64UpDownCounter("narthex_spanmetrics_series",
                                            "Series that are held to count on.", "{series}")
                  ->Bind({{"connector", name}})),
      aggregator_(config_, {.instance = host.instance_id}),
      beat_(clock_, config_.flush_interval, [this] { Flush(); }) {}

base::Status SpanMetricsConnector::Start() {
  {
    base::MutexLock lock(mutex_);
    is_running_ = true;
  }
  beat_.Start();
  return {};
}

void SpanMetricsConnector::Stop() {
  bool was_running;
  {
    base::MutexLock lock(mutex_);
    was_running = std::exchange(is_running_, false);
  }
  beat_.Stop();
  if (was_running) Flush();
}

pipeline::Passage* SpanMetricsConnector::passage(pipeline::Signal signal) {
  return signal == pipeline::Signal::kTraces && next_ != nullptr ? this : nullptr;
}

SpanTime SpanMetricsConnector::Now() const {
  return {.wall_ns = static_cast<uint64_t>(clock_.WallNs()), .monotonic_ns = clock_.MonotonicNs()};
}

void SpanMetricsConnector::Pass(pipeline::PassedRequest request, Done done) {
  const otlp::Encoding encoding = request.encoding;
  base::Status status = Take(std::move(request));
  const bool is_good = status.has_value();
  done({.status = std::move(status),
        .response = is_good ? otlp::EncodeExportResponse({}, encoding) : std::string()});
}

base::Status SpanMetricsConnector::Take(pipeline::PassedRequest request) {
  const bool is_json = request.encoding == otlp::Encoding::kJson;
  ASSIGN_OR_RETURN(const otlp::Traces traces, is_json
                                                  ? otlp::DecodeTracesJson(request.bytes)
                                                  : otlp::DecodeTraces(std::move(request.bytes)));
  SpanAggregator::Outcome outcome;
  {
    base::MutexLock lock(mutex_);
    if (!is_running_) {
      return base::Fail(base::Code::kUnavailable, "connector {} has stopped", name_);
    }
    outcome = aggregator_.Add(traces, Now());
  }
  spans_.Add(outcome.counted);
  overflowed_.Add(outcome.overflowed);
  without_name_.Add(outcome.without_name);
  too_many_.Add(outcome.too_many);
  return {};
}

void SpanMetricsConnector::Flush() {
  std::vector<std::string> requests;
  {
    base::MutexLock lock(mutex_);
    requests = aggregator_.Flush(Now());
    const auto series = static_cast<int64_t>(aggregator_.series_count());
    series_.Add(series - std::exchange(series_told_, series));
  }
  for (std::string& request : requests) {
    base::Result<otlp::Batch> batch = otlp::DecodeMetrics(std::move(request));
    CHECK(batch.has_value());
    const size_t points = batch->point_count();
    flow_.In(points);
    const base::Status status = next_->Consume(*std::move(batch));
    if (status.has_value()) {
      flow_.Out(points);
      continue;
    }
    flow_.Lost("refused_downstream", points);
    logger_.Error("spanmetrics", "metrics were refused and are lost",
                  {{"connector", name_}, {"points", points}, {"error", status.error().message}});
  }
}

}  // namespace narthex::connectors
