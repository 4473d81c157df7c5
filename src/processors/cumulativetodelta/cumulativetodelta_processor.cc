#include "processors/cumulativetodelta/cumulativetodelta_processor.h"

#include <algorithm>
#include <cmath>

#include "otlp/aggregate.h"
#include "otlp/rebuilt.h"
#include "otlp/stream.h"

namespace narthex::processors {
namespace {

using otlp::MetricKind;
using otlp::TreePoint;

// Each takes `last` away from `point`; false where the counter was set back.

bool SubtractNumber(TreePoint& point, const TreePoint& last) {
  using Type = otlp::NumberPoint::Type;
  if (point.type == Type::kInt && last.type == Type::kInt) {
    if (point.whole < last.whole) return false;
    point.SetNumber(point.whole - last.whole);
    return true;
  }
  const double delta = point.Number() - last.Number();
  if (!(delta >= 0)) return false;
  point.SetNumber(delta);
  return true;
}

void SubtractSum(TreePoint& point, const TreePoint& last) {
  point.optionals.has_sum &= last.optionals.has_sum;
  point.optionals.sum -= last.optionals.sum;
  // Of a stretch in between they are not known.
  point.optionals.has_min = point.optionals.has_max = false;
}

bool SubtractCounts(std::vector<uint64_t>& counts, const std::vector<uint64_t>& last) {
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < last[i]) return false;
  }
  for (size_t i = 0; i < counts.size(); ++i) counts[i] -= last[i];
  return true;
}

bool SubtractBuckets(TreePoint::Buckets& buckets, const TreePoint::Buckets& last) {
  for (size_t i = 0; i < last.counts.size(); ++i) {
    const int64_t at = int64_t{last.offset} + static_cast<int64_t>(i) - buckets.offset;
    const bool is_inside = at >= 0 && at < static_cast<int64_t>(buckets.counts.size());
    const uint64_t have = is_inside ? buckets.counts[static_cast<size_t>(at)] : 0;
    if (have < last.counts[i]) return false;
    if (is_inside) buckets.counts[static_cast<size_t>(at)] -= last.counts[i];
  }
  return true;
}

// The earlier of two points can only have the finer scale.
bool SubtractExponential(TreePoint& point, TreePoint last) {
  if (point.scale > last.scale || point.zero_threshold != last.zero_threshold ||
      point.count < last.count || point.zero_count < last.zero_count) {
    return false;
  }
  otlp::LowerScale(last, last.scale - point.scale);
  if (!SubtractBuckets(point.positive, last.positive) ||
      !SubtractBuckets(point.negative, last.negative)) {
    return false;
  }
  point.count -= last.count;
  point.zero_count -= last.zero_count;
  SubtractSum(point, last);
  return true;
}

// What becomes of a point that comes after `last`.
enum class Outcome { kDelta, kWhole, kDrop };

Outcome Subtract(MetricKind kind, TreePoint& point, const TreePoint& last) {
  if (kind == MetricKind::kSum) {
    return SubtractNumber(point, last) ? Outcome::kDelta : Outcome::kDrop;
  }
  if (kind == MetricKind::kExponentialHistogram) {
    const TreePoint whole = point;
    if (SubtractExponential(point, last)) return Outcome::kDelta;
    point = whole;
    return Outcome::kDrop;
  }
  if (point.explicit_bounds != last.explicit_bounds ||
      point.bucket_counts.size() != last.bucket_counts.size()) {
    return Outcome::kDrop;
  }
  // A histogram that was set back counts from nothing.
  if (point.count < last.count || !SubtractCounts(point.bucket_counts, last.bucket_counts)) {
    return Outcome::kWhole;
  }
  point.count -= last.count;
  SubtractSum(point, last);
  return Outcome::kDelta;
}

bool IsUsable(MetricKind kind, const TreePoint& point) {
  if (point.is_stale()) return false;
  if (kind == MetricKind::kSum) return !std::isnan(point.Number());
  return !point.optionals.has_sum || !std::isnan(point.optionals.sum);
}

}  // namespace

std::unique_ptr<pipeline::Processor> CumulativeToDeltaProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  return std::make_unique<CumulativeToDeltaProcessor>(ReadCumulativeToDeltaConfig(context),
                                                      context.id.ToString(), context.host, next);
}

CumulativeToDeltaProcessor::CumulativeToDeltaProcessor(CumulativeToDeltaConfig config,
                                                       const std::string& name,
                                                       pipeline::Host& host,
                                                       pipeline::Consumer& next)
    : config_(std::move(config)),
      clock_(host.env.clock),
      made_ns_(static_cast<uint64_t>(clock_.WallNs())),
      handover_(host, name, next) {}

base::Status CumulativeToDeltaProcessor::Consume(otlp::Batch batch) {
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
          if (!config_.Converts(metric)) continue;
          const std::string metric_key = scope_key + otlp::MetricKey(metric);
          std::erase_if(metric.points, [&](TreePoint& point) {
            return !Convert(metric_key + otlp::KeyOf(point.attributes), metric.kind, point, now_ns);
          });
          metric.temporality = otlp::Temporality::kDelta;
        }
      }
    }
  }
  return handover_.Pass(otlp::Rebuilt(tree, batch), points, "no_delta");
}

bool CumulativeToDeltaProcessor::Convert(const std::string& key, MetricKind kind, TreePoint& point,
                                         int64_t now_ns) {
  if (!IsUsable(kind, point)) return false;
  const auto found = streams_.find(key);
  if (found == streams_.end()) {
    streams_[key] = {point, now_ns};
    return IsFirstKept(point);
  }
  Stream& stream = found->second;
  if (point.time_ns < stream.last.time_ns) return false;
  stream.seen_ns = now_ns;
  const TreePoint last = std::exchange(stream.last, point);
  const Outcome outcome = Subtract(kind, point, last);
  if (outcome == Outcome::kDelta) point.start_ns = last.time_ns;
  if (outcome == Outcome::kWhole && point.start_ns < last.time_ns) point.start_ns = last.time_ns;
  return outcome != Outcome::kDrop;
}

bool CumulativeToDeltaProcessor::IsFirstKept(const TreePoint& point) const {
  switch (config_.initial) {
    case CumulativeToDeltaConfig::Initial::kKeep:
      return true;
    case CumulativeToDeltaConfig::Initial::kDrop:
      return false;
    case CumulativeToDeltaConfig::Initial::kAuto:
      break;
  }
  // What a stream that began before us has counted may have been sent by somebody else.
  return point.start_ns >= made_ns_ && point.start_ns != point.time_ns;
}

void CumulativeToDeltaProcessor::ForgetStale(int64_t now_ns) {
  const int64_t stale_ns = config_.max_staleness.count();
  if (stale_ns == 0 || now_ns - looked_ns_ < stale_ns / 4) return;
  looked_ns_ = now_ns;
  std::erase_if(streams_,
                [&](const auto& item) { return now_ns - item.second.seen_ns > stale_ns; });
}

}  // namespace narthex::processors
