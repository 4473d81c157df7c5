#include "otlp/aggregate.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace narthex::otlp {
namespace {

constexpr std::pair<std::string_view, Aggregation> kNames[] = {
    {"sum", Aggregation::kSum}, {"mean", Aggregation::kMean},     {"min", Aggregation::kMin},
    {"max", Aggregation::kMax}, {"median", Aggregation::kMedian}, {"count", Aggregation::kCount},
};

void WidenTimes(TreePoint& to, const TreePoint& from) {
  if (from.start_ns != 0) {
    to.start_ns = to.start_ns == 0 ? from.start_ns : std::min(to.start_ns, from.start_ns);
  }
  to.time_ns = std::max(to.time_ns, from.time_ns);
  to.exemplars.insert(to.exemplars.end(), from.exemplars.begin(), from.exemplars.end());
}

void AddOptionals(TreePoint& to, const TreePoint& from) {
  Optionals& a = to.optionals;
  const Optionals& b = from.optionals;
  a.sum += b.sum;
  a.has_sum &= b.has_sum;
  a.min = std::min(a.min, b.min);
  a.has_min &= b.has_min;
  a.max = std::max(a.max, b.max);
  a.has_max &= b.has_max;
  to.count += from.count;
}

double Joined(std::vector<double>& values, Aggregation aggregation) {
  switch (aggregation) {
    case Aggregation::kCount:
      return static_cast<double>(values.size());
    case Aggregation::kMin:
      return *std::ranges::min_element(values);
    case Aggregation::kMax:
      return *std::ranges::max_element(values);
    case Aggregation::kMedian: {
      std::ranges::sort(values);
      const size_t middle = values.size() / 2;
      if (values.size() % 2 == 1) return values[middle];
      return (values[middle - 1] + values[middle]) / 2;
    }
    case Aggregation::kSum:
    case Aggregation::kMean:
      break;
  }
  double sum = 0;
  for (const double value : values) sum += value;
  return aggregation == Aggregation::kMean ? sum / static_cast<double>(values.size()) : sum;
}

bool AllWhole(const std::vector<const TreePoint*>& points) {
  return std::ranges::all_of(points,
                             [](const TreePoint* p) { return p->type == NumberPoint::Type::kInt; });
}

TreePoint JoinNumbers(const std::vector<const TreePoint*>& points, Aggregation aggregation) {
  TreePoint out = *points[0];
  for (size_t i = 1; i < points.size(); ++i) WidenTimes(out, *points[i]);
  if (AllWhole(points) && aggregation == Aggregation::kSum) {
    uint64_t sum = 0;  // Wraps around.
    for (const TreePoint* point : points) sum += static_cast<uint64_t>(point->whole);
    out.SetNumber(static_cast<int64_t>(sum));
    return out;
  }
  if (AllWhole(points) && (aggregation == Aggregation::kMin || aggregation == Aggregation::kMax)) {
    for (const TreePoint* point : points) {
      out.whole = aggregation == Aggregation::kMin ? std::min(out.whole, point->whole)
                                                   : std::max(out.whole, point->whole);
    }
    return out;
  }
  std::vector<double> values;
  for (const TreePoint* point : points) values.push_back(point->Number());
  const double value = Joined(values, aggregation);
  if (AllWhole(points)) {
    out.SetNumber(static_cast<int64_t>(value));
  } else {
    out.SetNumber(value);
  }
  return out;
}

// Joins what can be; the rest follows it.
std::vector<TreePoint> JoinGroup(MetricKind kind, const std::vector<const TreePoint*>& points,
                                 Aggregation aggregation) {
  if (kind == MetricKind::kGauge || kind == MetricKind::kSum) {
    return {JoinNumbers(points, aggregation)};
  }
  std::vector<TreePoint> out{*points[0]};
  for (size_t i = 1; i < points.size(); ++i) {
    if (kind == MetricKind::kExponentialHistogram) {
      AddExponential(out[0], *points[i]);
    } else if (kind != MetricKind::kHistogram || !AddHistogram(out[0], *points[i])) {
      out.push_back(*points[i]);
    }
  }
  return out;
}

// Index of the bucket that bucket `index` becomes part of, `steps` scales lower.
int64_t Lowered(int64_t index, int32_t steps) { return index >> std::min(steps, 62); }

void LowerBuckets(TreePoint::Buckets& buckets, int32_t steps) {
  if (buckets.counts.empty()) return;
  const int64_t first = Lowered(buckets.offset, steps);
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < buckets.counts.size(); ++i) {
    const auto at = static_cast<size_t>(
        Lowered(int64_t{buckets.offset} + static_cast<int64_t>(i), steps) - first);
    if (counts.size() <= at) counts.resize(at + 1);
    counts[at] += buckets.counts[i];
  }
  buckets.offset = static_cast<int32_t>(first);
  buckets.counts = std::move(counts);
}

void TrimBuckets(TreePoint::Buckets& buckets) {
  const auto is_set = [](uint64_t count) { return count != 0; };
  const auto first = std::ranges::find_if(buckets.counts, is_set);
  if (first == buckets.counts.end()) {
    buckets = {};
    return;
  }
  const auto skipped = first - buckets.counts.begin();
  buckets.counts.erase(buckets.counts.begin(), first);
  buckets.offset = static_cast<int32_t>(buckets.offset + skipped);
  while (buckets.counts.back() == 0) buckets.counts.pop_back();
}

int64_t SpanOf(const TreePoint::Buckets& a, const TreePoint::Buckets& b) {
  if (a.counts.empty() || b.counts.empty()) return 0;
  const int64_t first = std::min(a.offset, b.offset);
  const int64_t last = std::max(int64_t{a.offset} + static_cast<int64_t>(a.counts.size()),
                                int64_t{b.offset} + static_cast<int64_t>(b.counts.size()));
  return last - first;
}

void AddBuckets(TreePoint::Buckets& to, const TreePoint::Buckets& from) {
  if (from.counts.empty()) return;
  if (to.counts.empty()) {
    to = from;
    return;
  }
  if (from.offset < to.offset) {
    to.counts.insert(to.counts.begin(), static_cast<size_t>(int64_t{to.offset} - from.offset), 0);
    to.offset = from.offset;
  }
  const auto shift = static_cast<size_t>(int64_t{from.offset} - to.offset);
  to.counts.resize(std::max(to.counts.size(), shift + from.counts.size()));
  for (size_t i = 0; i < from.counts.size(); ++i) to.counts[shift + i] += from.counts[i];
}

}  // namespace

std::optional<Aggregation> AggregationFromName(std::string_view name) {
  for (const auto& [word, aggregation] : kNames) {
    if (word == name) return aggregation;
  }
  return std::nullopt;
}

std::string KeyOf(const AttributeMap& attributes) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : attributes) {
    std::string part = std::to_string(key.size()) + ':' + key;
    // Maps inside values keep their order: two orders are two values.
    const std::string bytes = value.Encode();
    part += std::to_string(bytes.size()) + '=' + bytes;
    parts.push_back(std::move(part));
  }
  std::ranges::sort(parts);
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

void JoinPoints(TreeMetric& metric, Aggregation aggregation) {
  if (metric.points.size() < 2 || metric.kind == MetricKind::kSummary) return;
  std::unordered_map<std::string, size_t> places;
  std::vector<std::vector<const TreePoint*>> groups;
  for (const TreePoint& point : metric.points) {
    std::string key = KeyOf(point.attributes);
    if (metric.temporality == Temporality::kDelta) key += '@' + std::to_string(point.start_ns);
    if (point.is_stale()) key += '!';
    const auto [place, is_new] = places.emplace(std::move(key), groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(&point);
  }
  if (groups.size() == metric.points.size() && aggregation != Aggregation::kCount) return;
  std::vector<TreePoint> joined;
  for (const auto& group : groups) {
    for (TreePoint& point : JoinGroup(metric.kind, group, aggregation)) {
      joined.push_back(std::move(point));
    }
  }
  metric.points = std::move(joined);
}

bool AddHistogram(TreePoint& to, const TreePoint& from) {
  if (to.explicit_bounds != from.explicit_bounds ||
      to.bucket_counts.size() != from.bucket_counts.size()) {
    return false;
  }
  for (size_t i = 0; i < from.bucket_counts.size(); ++i) {
    to.bucket_counts[i] += from.bucket_counts[i];
  }
  AddOptionals(to, from);
  WidenTimes(to, from);
  return true;
}

void LowerScale(TreePoint& point, int32_t steps) {
  if (steps <= 0) return;
  LowerBuckets(point.positive, steps);
  LowerBuckets(point.negative, steps);
  point.scale -= steps;
}

void AddExponential(TreePoint& to, const TreePoint& from) {
  // Wide gaps between the two are closed by a coarser scale, not by memory.
  constexpr int64_t kBucketsMax = 10'000;
  TreePoint other = from;
  for (TreePoint* point : {&to, &other}) {
    TrimBuckets(point->positive);
    TrimBuckets(point->negative);
  }
  const int64_t difference = int64_t{to.scale} - other.scale;
  const auto steps = static_cast<int32_t>(std::clamp<int64_t>(std::abs(difference), 0, 1'000));
  LowerScale(difference > 0 ? to : other, steps);
  to.scale = other.scale = std::min(to.scale, other.scale);
  while (SpanOf(to.positive, other.positive) > kBucketsMax ||
         SpanOf(to.negative, other.negative) > kBucketsMax) {
    LowerScale(to, 1);
    LowerScale(other, 1);
  }
  AddBuckets(to.positive, other.positive);
  AddBuckets(to.negative, other.negative);
  to.zero_count += other.zero_count;
  to.zero_threshold = std::max(to.zero_threshold, other.zero_threshold);
  AddOptionals(to, other);
  WidenTimes(to, other);
}

}  // namespace narthex::otlp
