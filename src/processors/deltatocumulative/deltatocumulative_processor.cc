#include "processors/deltatocumulative/deltatocumulative_processor.h"

#include "otlp/aggregate.h"
#include "otlp/rebuilt.h"
#include "otlp/stream.h"

namespace narthex::processors {
namespace {

// Adds `from` to the total of its stream.
void AddPoint(otlp::MetricKind kind, otlp::TreePoint& total, const otlp::TreePoint& from) {
  using Type = otlp::NumberPoint::Type;
  const uint64_t start_ns = total.start_ns;
  if (kind == otlp::MetricKind::kSum) {
    if (total.type == Type::kInt && from.type == Type::kInt) {
      total.SetNumber(static_cast<int64_t>(static_cast<uint64_t>(total.whole) +
                                           static_cast<uint64_t>(from.whole)));
    } else {
      total.SetNumber(total.Number() + from.Number());
    }
  } else if (kind == otlp::MetricKind::kExponentialHistogram) {
    otlp::AddExponential(total, from);
  } else if (!otlp::AddHistogram(total, from)) {
    total = from;  // Other bounds begin a new total.
    return;
  }
  total.start_ns = start_ns;
  total.time_ns = from.time_ns;
  total.flags = from.flags;
  total.exemplars = from.exemplars;
}

bool IsDelta(const otlp::TreeMetric& metric) {
  return metric.temporality == otlp::Temporality::kDelta &&
         (metric.kind == otlp::MetricKind::kSum || metric.kind == otlp::MetricKind::kHistogram ||
          metric.kind == otlp::MetricKind::kExponentialHistogram);
}

}  // namespace

std::unique_ptr<pipeline::Processor> DeltaToCumulativeProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  Config config;
  int64_t stale_ns = config.max_stale.count(), streams = INT64_MAX;
  config::MapReader reader(context.config, context.diagnostics);
  reader.ReadGoDuration("max_stale", stale_ns,
                        "A stream without points is forgotten after this long");
  reader.Read("max_streams", streams, "Points of further streams are dropped; `0`: no limit");
  reader.Finish();
  if (stale_ns <= 0) reader.Report("max_stale", "must be positive");
  if (streams < 0) reader.Report("max_streams", "must not be negative");
  config.max_stale = std::chrono::nanoseconds(stale_ns);
  config.max_streams = streams == 0 ? SIZE_MAX : static_cast<size_t>(std::max<int64_t>(streams, 0));
  return std::make_unique<DeltaToCumulativeProcessor>(config, context.id.ToString(), context.host,
                                                      next);
}

DeltaToCumulativeProcessor::DeltaToCumulativeProcessor(Config config, const std::string& name,
                                                       pipeline::Host& host,
                                                       pipeline::Consumer& next)
    : config_(config),
      clock_(host.env.clock),
      handover_(host, name, next),
      datapoints_(host.meter.CreateUInt64Counter("otelcol_deltatocumulative_datapoints",
                                                 "Total number of datapoints processed, may have "
                                                 "'error' attribute, if processing failed",
                                                 "{datapoint}")),
      tracked_(host.meter.CreateInt64UpDownCounter("otelcol_deltatocumulative_streams_tracked",
                                                   "Number of streams tracked.", "{dps}")) {}

base::Status DeltaToCumulativeProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  otlp::Tree tree = otlp::Tree::From(batch);
  {
    base::MutexLock lock(mutex_);
    const int64_t now_ns = clock_.MonotonicNs();
    ForgetStale(now_ns);
    for (otlp::TreeResource& resource : tree.resources) {
      const std::string resource_key = otlp::ResourceKey(resource);
      for (otlp::TreeScope& scope : resource.scopes) {
        const std::string scope_key = resource_key + otlp::ScopeKey(scope);
        for (otlp::TreeMetric& metric : scope.metrics) {
          if (!IsDelta(metric)) continue;
          const std::string metric_key = scope_key + otlp::MetricKey(metric);
          std::erase_if(metric.points, [&](otlp::TreePoint& point) REQUIRES_LOCK(mutex_) {
            const std::string key = metric_key + otlp::KeyOf(point.attributes);
            const Fate fate = Add(key, metric.kind, point, now_ns);
            if (fate == Fate::kAdded) {
              datapoints_->Add(1);
            } else {
              datapoints_->Add(1,
                               {{"error", fate == Fate::kLimit ? "limit" : "delta.ErrOutOfOrder"}});
            }
            return fate != Fate::kAdded;
          });
          metric.temporality = otlp::Temporality::kCumulative;
        }
      }
    }
  }
  return handover_.Pass(otlp::Rebuilt(tree, batch), points, "out_of_order");
}

DeltaToCumulativeProcessor::Fate DeltaToCumulativeProcessor::Add(const std::string& key,
                                                                 otlp::MetricKind kind,
                                                                 otlp::TreePoint& point,
                                                                 int64_t now_ns) {
  const auto found = streams_.find(key);
  if (found == streams_.end()) {
    if (streams_.size() >= config_.max_streams) return Fate::kLimit;
    tracked_->Add(1);
    streams_[key] = {point, now_ns};
    return Fate::kAdded;
  }
  Stream& stream = found->second;
  stream.seen_ns = now_ns;
  if (point.time_ns <= stream.total.time_ns ||
      (point.start_ns != 0 && point.start_ns < stream.total.start_ns)) {
    return Fate::kOutOfOrder;
  }
  AddPoint(kind, stream.total, point);
  point = stream.total;
  return Fate::kAdded;
}

void DeltaToCumulativeProcessor::ForgetStale(int64_t now_ns) {
  // Looking at all streams for every batch would cost more than the batches.
  if (now_ns - looked_ns_ < config_.max_stale.count() / 4) return;
  looked_ns_ = now_ns;
  const size_t gone = std::erase_if(streams_, [&](const auto& item) {
    return now_ns - item.second.seen_ns > config_.max_stale.count();
  });
  tracked_->Add(-static_cast<int64_t>(gone));
}

}  // namespace narthex::processors
