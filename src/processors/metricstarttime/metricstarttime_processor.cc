#include "processors/metricstarttime/metricstarttime_processor.h"

#include <re2/re2.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "otlp/aggregate.h"
#include "otlp/rebuilt.h"
#include "otlp/stream.h"
#include "processors/metricstarttime/reset.h"

namespace narthex::processors {
namespace {

using otlp::MetricKind;
using Strategy = MetricStartTimeProcessor::Strategy;

// A stream that begins anew did so a little before its first point.
constexpr uint64_t kResetLeadNs = 1'000'000;

bool Counts(const otlp::TreeMetric& metric) {
  switch (metric.kind) {
    case MetricKind::kSummary:
      return true;
    case MetricKind::kSum:
      return metric.is_monotonic && metric.temporality == otlp::Temporality::kCumulative;
    case MetricKind::kHistogram:
    case MetricKind::kExponentialHistogram:
      return metric.temporality == otlp::Temporality::kCumulative;
    default:
      return false;
  }
}

Strategy ReadStrategy(config::MapReader& reader) {
  static constexpr std::pair<std::string_view, Strategy> kStrategies[] = {
      {"true_reset_point", Strategy::kTrueResetPoint},
      {"subtract_initial_point", Strategy::kSubtractInitialPoint},
      {"start_time_metric", Strategy::kStartTimeMetric},
  };
  std::string word = "true_reset_point";
  reader.Read("strategy", word,
              "`true_reset_point`: since the first point; `subtract_initial_point`: the same, "
              "without what that point counted; `start_time_metric`: what a metric says");
  for (const auto& [name, strategy] : kStrategies) {
    if (word == name) return strategy;
  }
  reader.Report("strategy", fmt::format("\"{}\" is not a valid strategy", word));
  return Strategy::kTrueResetPoint;
}

}  // namespace

std::unique_ptr<pipeline::Processor> MetricStartTimeProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  Config config;
  std::string pattern;
  int64_t gc_ns = config.gc_interval.count();
  config::MapReader reader(context.config, context.diagnostics);
  config.strategy = ReadStrategy(reader);
  reader.ReadGoDuration("gc_interval", gc_ns,
                        "A stream without points for this long, or up to twice, is forgotten");
  const bool has_pattern =
      reader.Read("start_time_metric_regex", pattern,
                  "Of `start_time_metric`: the metric's name, in seconds; without it "
                  "`process_start_time_seconds`");
  reader.Finish();
  if (gc_ns <= 0) reader.Report("gc_interval", "must be positive");
  if (has_pattern && !pattern.empty()) {
    config.metric_name = std::make_shared<const re2::RE2>(pattern, re2::RE2::Quiet);
    if (!config.metric_name->ok()) {
      reader.Report("start_time_metric_regex", config.metric_name->error());
    }
    if (config.strategy != Strategy::kStartTimeMetric) {
      reader.Report("start_time_metric_regex", "only goes with the strategy start_time_metric");
    }
  }
  config.gc_interval = std::chrono::nanoseconds(gc_ns);
  return std::make_unique<MetricStartTimeProcessor>(std::move(config), context.id.ToString(),
                                                    context.host, next);
}

MetricStartTimeProcessor::MetricStartTimeProcessor(Config config, const std::string& name,
                                                   pipeline::Host& host, pipeline::Consumer& next)
    : config_(std::move(config)),
      clock_(host.env.clock),
      began_ns_(static_cast<uint64_t>(clock_.WallNs())),
      handover_(host, name, next),
      looked_ns_(clock_.MonotonicNs()) {}

base::Status MetricStartTimeProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  otlp::Tree tree = otlp::Tree::From(batch);
  const uint64_t metric_start_ns =
      config_.strategy == Strategy::kStartTimeMetric ? StartOf(tree) : 0;
  {
    base::MutexLock lock(mutex_);
    ForgetUnseen();
    // The analysis does not see that it is called at once, under the lock.
    otlp::VisitMetrics(tree, [&](const otlp::TreeResource& resource, const otlp::TreeScope& scope,
                                 otlp::TreeMetric& metric) NO_THREAD_SAFETY_ANALYSIS {
      if (!Counts(metric)) return;
      const std::string key =
          otlp::ResourceKey(resource) + otlp::ScopeKey(scope) + otlp::MetricKey(metric);
      std::erase_if(metric.points, [&](otlp::TreePoint& point) NO_THREAD_SAFETY_ANALYSIS {
        if (point.start_ns != 0) return false;
        return !Adjust(key + otlp::KeyOf(point.attributes), metric.kind, point, metric_start_ns);
      });
    });
  }
  return handover_.Pass(otlp::Rebuilt(tree, batch), points, "initial_point");
}

bool MetricStartTimeProcessor::Adjust(const std::string& key, MetricKind kind,
                                      otlp::TreePoint& point, uint64_t metric_start_ns) {
  const auto found = streams_.find(key);
  const bool is_new = found == streams_.end();
  // The end of a stream that is not known says nothing.
  if (is_new && point.is_stale()) return true;
  Stream& stream = is_new ? streams_[key] : found->second;
  stream.is_seen = true;
  if (is_new) {
    const bool by_metric = config_.strategy == Strategy::kStartTimeMetric;
    stream.start_ns = by_metric ? metric_start_ns : point.time_ns;
    stream.last = point;
    if (config_.strategy == Strategy::kSubtractInitialPoint) {
      stream.first = point;
      return false;
    }
  }
  if (!point.is_stale()) {
    if (IsReset(kind, stream.last, point)) {
      stream.start_ns = point.time_ns - std::min(point.time_ns, kResetLeadNs);
      stream.first = {};
    }
    stream.last = point;
    if (config_.strategy == Strategy::kSubtractInitialPoint && stream.first.time_ns != 0) {
      Subtract(kind, point, stream.first);
    }
  }
  point.start_ns = stream.start_ns;
  return true;
}

void MetricStartTimeProcessor::ForgetUnseen() {
  const int64_t now_ns = clock_.MonotonicNs();
  if (now_ns - looked_ns_ < config_.gc_interval.count()) return;
  looked_ns_ = now_ns;
  for (auto at = streams_.begin(); at != streams_.end();) {
    at = std::exchange(at->second.is_seen, false) ? std::next(at) : streams_.erase(at);
  }
}

uint64_t MetricStartTimeProcessor::StartOf(const otlp::Tree& tree) const {
  uint64_t start_ns = began_ns_;
  bool is_found = false;
  otlp::VisitMetrics(
      tree, [&](const otlp::TreeResource&, const otlp::TreeScope&, const otlp::TreeMetric& metric) {
        const bool is_number = metric.kind == MetricKind::kGauge || metric.kind == MetricKind::kSum;
        if (is_found || !is_number || metric.points.empty() || !IsStartMetric(metric.name)) return;
        const double seconds = metric.points[0].Number();
        constexpr double kSecondsMax = 1e10;  // The year 2286.
        if (!(seconds > 0 && seconds < kSecondsMax)) return;
        start_ns = static_cast<uint64_t>(seconds * 1e9);
        is_found = true;
      });
  return start_ns;
}

bool MetricStartTimeProcessor::IsStartMetric(const std::string& name) const {
  if (config_.metric_name == nullptr) return name == "process_start_time_seconds";
  return re2::RE2::PartialMatch(name, *config_.metric_name);
}

}  // namespace narthex::processors
