#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "otlp/aggregate.h"
#include "ottl/internal/function.h"

namespace narthex::ottl {
namespace {

using base::Code;
using base::Fail;
using otlp::Any;
using otlp::MetricKind;
using otlp::Temporality;
using otlp::TreeMetric;
using otlp::TreePoint;

// Copies are looked at by the statements that made them: a statement without an end is stopped.
constexpr size_t kMetricsMax = 100'000;

base::Result<TreeMetric*> AddMetric(const Args& args, TreeMetric metric) {
  std::deque<TreeMetric>& metrics = args.stage().scope->metrics;
  if (metrics.size() >= kMetricsMax) {
    return Fail(Code::kInvalidArgument,
                "a scope has {} metrics already; is a where clause missing?", metrics.size());
  }
  return &metrics.emplace_back(std::move(metric));
}

base::Result<Temporality> TemporalityAt(const Args& args, size_t i) {
  ASSIGN_OR_RETURN(const Any value, args.Get(i));
  const auto* text = value.As<std::string>();
  if (text != nullptr && *text == "delta") return Temporality::kDelta;
  if (text != nullptr && *text == "cumulative") return Temporality::kCumulative;
  return Fail(Code::kInvalidArgument, "a temporality is \"delta\" or \"cumulative\"");
}

base::Result<Any> ConvertSumToGauge(const Args& args) {
  TreeMetric& metric = *args.stage().metric;
  if (metric.kind == MetricKind::kSum) {
    metric.kind = MetricKind::kGauge;
    metric.temporality = Temporality::kUnspecified;
    metric.is_monotonic = false;
  }
  return Any();
}

base::Result<Any> ConvertGaugeToSum(const Args& args) {
  ASSIGN_OR_RETURN(const Temporality temporality, TemporalityAt(args, 0));
  ASSIGN_OR_RETURN(const bool is_monotonic, args.Bool(1));
  TreeMetric& metric = *args.stage().metric;
  if (metric.kind == MetricKind::kGauge) {
    metric.kind = MetricKind::kSum;
    metric.temporality = temporality;
    metric.is_monotonic = is_monotonic;
  }
  return Any();
}

// A number with the identity and times of another point.
TreePoint Beside(const TreePoint& point) {
  return {.attributes = point.attributes,
          .start_ns = point.start_ns,
          .time_ns = point.time_ns,
          .flags = point.flags};
}

// The points that a call is about: of the datapoint level the one, of the metric level all.
std::vector<const TreePoint*> PointsOf(const Args& args) {
  if (args.stage().point != nullptr) return {args.stage().point};
  std::vector<const TreePoint*> points;
  for (const TreePoint& point : args.stage().metric->points) points.push_back(&point);
  return points;
}

TreeMetric Derived(const TreeMetric& metric, std::string_view suffix, MetricKind kind) {
  return {.name = metric.name + std::string(suffix),
          .description = metric.description,
          .unit = metric.unit,
          .metadata = {},
          .kind = kind,
          .points = {}};
}

base::Status AddIfAny(const Args& args, TreeMetric metric) {
  if (metric.points.empty()) return {};
  RETURN_IF_ERROR(AddMetric(args, std::move(metric)));
  return {};
}

bool IsDistribution(MetricKind kind) {
  return kind == MetricKind::kHistogram || kind == MetricKind::kExponentialHistogram ||
         kind == MetricKind::kSummary;
}

base::Result<Any> ExtractCount(const Args& args) {
  ASSIGN_OR_RETURN(const bool is_monotonic, args.Bool(0));
  ASSIGN_OR_RETURN(const std::string suffix, args.TextOr(1, "_count"));
  const TreeMetric& metric = *args.stage().metric;
  if (!IsDistribution(metric.kind)) {
    return Fail(Code::kInvalidArgument, "extract_count_metric: \"{}\" is no distribution",
                metric.name);
  }
  TreeMetric count = Derived(metric, suffix, MetricKind::kSum);
  count.unit = "1";
  count.temporality =
      metric.kind == MetricKind::kSummary ? Temporality::kCumulative : metric.temporality;
  count.is_monotonic = is_monotonic;
  for (const TreePoint* point : PointsOf(args)) {
    count.points.push_back(Beside(*point));
    count.points.back().SetNumber(static_cast<int64_t>(point->count));
  }
  RETURN_IF_ERROR(AddIfAny(args, std::move(count)));
  return Any();
}

base::Result<Any> ExtractSum(const Args& args) {
  ASSIGN_OR_RETURN(const bool is_monotonic, args.Bool(0));
  ASSIGN_OR_RETURN(const std::string suffix, args.TextOr(1, "_sum"));
  const TreeMetric& metric = *args.stage().metric;
  if (!IsDistribution(metric.kind)) {
    return Fail(Code::kInvalidArgument, "extract_sum_metric: \"{}\" is no distribution",
                metric.name);
  }
  TreeMetric sum = Derived(metric, suffix, MetricKind::kSum);
  sum.temporality =
      metric.kind == MetricKind::kSummary ? Temporality::kCumulative : metric.temporality;
  sum.is_monotonic = is_monotonic;
  for (const TreePoint* point : PointsOf(args)) {
    if (!point->optionals.has_sum) continue;
    sum.points.push_back(Beside(*point));
    sum.points.back().SetNumber(point->optionals.sum);
  }
  RETURN_IF_ERROR(AddIfAny(args, std::move(sum)));
  return Any();
}

// A bucket of either kind of histogram, its bounds, and what it counts.
struct Bucket {
  double lower, upper;
  uint64_t count;
};

double BoundAt(int32_t scale, int64_t index) {
  return std::exp2(std::ldexp(static_cast<double>(index), -scale));
}

// From the smallest value to the largest. Open ends are closed by min and max where they are known.
std::vector<Bucket> BucketsOf(MetricKind kind, const TreePoint& point) {
  std::vector<Bucket> buckets;
  if (kind == MetricKind::kHistogram) {
    for (size_t i = 0; i < point.bucket_counts.size(); ++i) {
      const size_t bounds = point.explicit_bounds.size();
      const double first = bounds == 0 ? 0 : point.explicit_bounds[0];
      const double last = bounds == 0 ? 0 : point.explicit_bounds[bounds - 1];
      const double low = point.optionals.has_min ? point.optionals.min : std::min(0.0, first);
      const double high = point.optionals.has_max ? point.optionals.max : last;
      buckets.push_back({i == 0 ? low : point.explicit_bounds[std::min(i, bounds) - 1],
                         i < bounds ? point.explicit_bounds[i] : high, point.bucket_counts[i]});
    }
    return buckets;
  }
  for (size_t i = point.negative.counts.size(); i-- > 0;) {
    const int64_t index = int64_t{point.negative.offset} + static_cast<int64_t>(i);
    buckets.push_back(
        {-BoundAt(point.scale, index + 1), -BoundAt(point.scale, index), point.negative.counts[i]});
  }
  if (point.zero_count > 0) {
    buckets.push_back({-point.zero_threshold, point.zero_threshold, point.zero_count});
  }
  for (size_t i = 0; i < point.positive.counts.size(); ++i) {
    const int64_t index = int64_t{point.positive.offset} + static_cast<int64_t>(i);
    buckets.push_back(
        {BoundAt(point.scale, index), BoundAt(point.scale, index + 1), point.positive.counts[i]});
  }
  return buckets;
}

// nullopt where nothing was counted.
std::optional<double> Percentile(const std::vector<Bucket>& buckets, double percentile) {
  double total = 0;
  for (const Bucket& bucket : buckets) total += static_cast<double>(bucket.count);
  if (total == 0) return std::nullopt;
  const double rank = total * percentile / 100;
  double seen = 0;
  for (const Bucket& bucket : buckets) {
    const auto count = static_cast<double>(bucket.count);
    if (count > 0 && seen + count >= rank) {
      return bucket.lower + (bucket.upper - bucket.lower) * std::max(rank - seen, 0.0) / count;
    }
    seen += count;
  }
  return buckets.back().upper;
}

base::Result<Any> ExtractPercentile(const Args& args) {
  ASSIGN_OR_RETURN(const double percentile, args.Number(0));
  ASSIGN_OR_RETURN(const std::string suffix, args.TextOr(1, fmt::format("_p{}", percentile)));
  const TreeMetric& metric = *args.stage().metric;
  if (!(percentile >= 0 && percentile <= 100)) {
    return Fail(Code::kInvalidArgument, "extract_percentile_metric: {} is not within 0 and 100",
                percentile);
  }
  if (metric.kind != MetricKind::kHistogram && metric.kind != MetricKind::kExponentialHistogram) {
    return Fail(Code::kInvalidArgument, "extract_percentile_metric: \"{}\" is no histogram",
                metric.name);
  }
  TreeMetric gauge = Derived(metric, suffix, MetricKind::kGauge);
  for (const TreePoint* point : PointsOf(args)) {
    const auto value = Percentile(BucketsOf(metric.kind, *point), percentile);
    if (!value.has_value()) continue;
    gauge.points.push_back(Beside(*point));
    gauge.points.back().SetNumber(*value);
  }
  RETURN_IF_ERROR(AddIfAny(args, std::move(gauge)));
  return Any();
}

template <class Number>
base::Result<Any> SummaryToSum(const Args& args, std::string_view suffix, Number number) {
  ASSIGN_OR_RETURN(const Temporality temporality, TemporalityAt(args, 0));
  ASSIGN_OR_RETURN(const bool is_monotonic, args.Bool(1));
  ASSIGN_OR_RETURN(const std::string ending, args.TextOr(2, suffix));
  const TreeMetric& metric = *args.stage().metric;
  if (metric.kind != MetricKind::kSummary) return Any();
  TreeMetric sum = Derived(metric, ending, MetricKind::kSum);
  sum.temporality = temporality;
  sum.is_monotonic = is_monotonic;
  for (const TreePoint* point : PointsOf(args)) {
    sum.points.push_back(Beside(*point));
    sum.points.back().SetNumber(number(*point));
  }
  RETURN_IF_ERROR(AddIfAny(args, std::move(sum)));
  return Any();
}
base::Result<Any> SummaryCountToSum(const Args& args) {
  return SummaryToSum(args, "_count",
                      [](const TreePoint& point) { return static_cast<int64_t>(point.count); });
}
base::Result<Any> SummarySumToSum(const Args& args) {
  return SummaryToSum(args, "_sum", [](const TreePoint& point) { return point.optionals.sum; });
}

base::Result<Any> SummaryQuantileToGauge(const Args& args) {
  ASSIGN_OR_RETURN(const std::string key, args.TextOr(0, "quantile"));
  ASSIGN_OR_RETURN(const std::string suffix, args.TextOr(1, ".quantiles"));
  const TreeMetric& metric = *args.stage().metric;
  if (metric.kind != MetricKind::kSummary) return Any();
  TreeMetric gauge = Derived(metric, suffix, MetricKind::kGauge);
  for (const TreePoint* point : PointsOf(args)) {
    for (const auto& [quantile, value] : point->quantiles) {
      TreePoint& added = gauge.points.emplace_back(Beside(*point));
      added.SetNumber(value);
      otlp::Put(added.attributes, key, Any(fmt::format("{}", quantile)));
    }
  }
  RETURN_IF_ERROR(AddIfAny(args, std::move(gauge)));
  return Any();
}

base::Result<Any> CopyMetric(const Args& args) {
  TreeMetric copy = *args.stage().metric;
  ASSIGN_OR_RETURN(copy.name, args.TextOr(0, copy.name));
  ASSIGN_OR_RETURN(copy.description, args.TextOr(1, copy.description));
  ASSIGN_OR_RETURN(copy.unit, args.TextOr(2, copy.unit));
  RETURN_IF_ERROR(AddMetric(args, std::move(copy)));
  return Any();
}

void ScalePoint(TreePoint& point, MetricKind kind, double factor) {
  if (kind == MetricKind::kGauge || kind == MetricKind::kSum) {
    if (point.type != otlp::NumberPoint::Type::kInt) {
      point.real *= factor;
      return;
    }
    const double scaled =
        std::clamp(static_cast<double>(point.whole) * factor, -0x1p63, 0x1.fffffffffffffp62);
    point.whole = static_cast<int64_t>(scaled);
    return;
  }
  point.optionals.sum *= factor;
  point.optionals.min *= factor;
  point.optionals.max *= factor;
  for (double& bound : point.explicit_bounds) bound *= factor;
  for (auto& [quantile, value] : point.quantiles) value *= factor;
}

base::Result<Any> ScaleMetric(const Args& args) {
  ASSIGN_OR_RETURN(const double factor, args.Number(0));
  TreeMetric& metric = *args.stage().metric;
  ASSIGN_OR_RETURN(const std::string unit, args.TextOr(1, metric.unit));
  if (metric.kind == MetricKind::kExponentialHistogram) {
    return Fail(Code::kInvalidArgument, "scale_metric: not for exponential histograms");
  }
  if (!std::isfinite(factor)) return Fail(Code::kInvalidArgument, "scale_metric: {}", factor);
  for (TreePoint& point : metric.points) ScalePoint(point, metric.kind, factor);
  metric.unit = unit;
  return Any();
}

base::Result<otlp::Aggregation> AggregationAt(const Args& args, size_t i) {
  ASSIGN_OR_RETURN(const std::string name, args.Text(i));
  const auto aggregation = otlp::AggregationFromName(name);
  if (aggregation.has_value()) return *aggregation;
  return Fail(Code::kInvalidArgument, "\"{}\" is not sum, mean, min, max, median or count", name);
}

base::Result<Any> AggregateOnAttributes(const Args& args) {
  ASSIGN_OR_RETURN(const otlp::Aggregation aggregation, AggregationAt(args, 0));
  TreeMetric& metric = *args.stage().metric;
  if (metric.kind == MetricKind::kSummary) {
    return Fail(Code::kInvalidArgument, "aggregate_on_attributes: not for summaries");
  }
  if (args.Has(1)) {
    ASSIGN_OR_RETURN(const std::vector<std::string> keys, args.Texts(1));
    for (TreePoint& point : metric.points) {
      std::erase_if(point.attributes, [&](const auto& pair) {
        return std::ranges::find(keys, pair.first) == keys.end();
      });
    }
  }
  otlp::JoinPoints(metric, aggregation);
  return Any();
}

base::Result<Any> AggregateOnAttributeValue(const Args& args) {
  ASSIGN_OR_RETURN(const otlp::Aggregation aggregation, AggregationAt(args, 0));
  ASSIGN_OR_RETURN(const std::string key, args.Text(1));
  ASSIGN_OR_RETURN(const std::vector<std::string> values, args.Texts(2));
  ASSIGN_OR_RETURN(const std::string value, args.Text(3));
  TreeMetric& metric = *args.stage().metric;
  if (metric.kind == MetricKind::kSummary) {
    return Fail(Code::kInvalidArgument, "aggregate_on_attribute_value: not for summaries");
  }
  for (TreePoint& point : metric.points) {
    Any* found = otlp::Find(point.attributes, key);
    const auto* text = found != nullptr ? found->As<std::string>() : nullptr;
    if (text != nullptr && std::ranges::find(values, *text) != values.end()) *found = Any(value);
  }
  otlp::JoinPoints(metric, aggregation);
  return Any();
}

// Puts what one bucket counted into those with the given bounds.
void Distribute(const Bucket& bucket, std::string_view how, const std::vector<double>& bounds,
                std::vector<uint64_t>& counts, base::Random& random) {
  const auto slot_of = [&](double value) {
    return static_cast<size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
  };
  if (how == "upper" || bucket.count == 0) {
    counts[slot_of(bucket.upper)] += bucket.count;
    return;
  }
  if (how == "midpoint") {
    counts[slot_of((bucket.lower + bucket.upper) / 2)] += bucket.count;
    return;
  }
  // Evenly over the bounds that the bucket spans, or by chance; what is left goes to the last.
  const size_t first = slot_of(bucket.lower), last = slot_of(bucket.upper);
  const uint64_t each = bucket.count / (last - first + 1);
  uint64_t left = bucket.count;
  for (size_t slot = first; slot < last; ++slot) {
    const uint64_t share = std::min(left, how == "uniform" ? each
                                          : left == 0      ? 0
                                                           : random.Below(left + 1));
    counts[slot] += share;
    left -= share;
  }
  counts[last] += left;
}

base::Result<Any> ExponentialToExplicit(const Args& args) {
  ASSIGN_OR_RETURN(const std::string how, args.Text(0));
  ASSIGN_OR_RETURN(const Any::Array list, args.List(1));
  if (how != "upper" && how != "midpoint" && how != "uniform" && how != "random") {
    return Fail(Code::kInvalidArgument, "\"{}\" is not upper, midpoint, uniform or random", how);
  }
  std::vector<double> bounds;
  for (const Any& item : list) {
    const auto* real = item.As<double>();
    const auto* whole = item.As<int64_t>();
    if (real == nullptr && whole == nullptr) {
      return Fail(Code::kInvalidArgument, "the bounds must be numbers");
    }
    bounds.push_back(real != nullptr ? *real : static_cast<double>(*whole));
  }
  if (bounds.empty() || !std::ranges::is_sorted(bounds)) {
    return Fail(Code::kInvalidArgument, "the bounds must be there, in order");
  }
  TreeMetric& metric = *args.stage().metric;
  if (metric.kind != MetricKind::kExponentialHistogram) return Any();
  base::Random random(base::RandomSeed());
  for (TreePoint& point : metric.points) {
    std::vector<uint64_t> counts(bounds.size() + 1);
    for (const Bucket& bucket : BucketsOf(metric.kind, point)) {
      Distribute(bucket, how, bounds, counts, random);
    }
    point.bucket_counts = std::move(counts);
    point.explicit_bounds = bounds;
    point.positive = point.negative = {};
    point.scale = 0;
    point.zero_count = 0;
  }
  metric.kind = MetricKind::kHistogram;
  return Any();
}

base::Result<Any> MergeHistogramBuckets(const Args& args) {
  ASSIGN_OR_RETURN(const double bound, args.Number(0));
  if (args.stage().metric->kind != MetricKind::kHistogram) return Any();
  TreePoint& point = *args.stage().point;
  const auto found = std::ranges::find(point.explicit_bounds, bound);
  if (found == point.explicit_bounds.end() ||
      point.bucket_counts.size() != point.explicit_bounds.size() + 1) {
    return Any();
  }
  const auto index = found - point.explicit_bounds.begin();
  point.bucket_counts[static_cast<size_t>(index) + 1] +=
      point.bucket_counts[static_cast<size_t>(index)];
  point.bucket_counts.erase(point.bucket_counts.begin() + index);
  point.explicit_bounds.erase(found);
  return Any();
}

constexpr Level kMetric = Level::kMetric;
constexpr Function kFunctions[] = {
    {"aggregate_on_attribute_value", "function attribute values newValue", kMetric,
     &AggregateOnAttributeValue, "Gives points one value of an attribute and joins equal ones."},
    {"aggregate_on_attributes", "function attributes?", kMetric, &AggregateOnAttributes,
     "Keeps only those attributes and joins equal points."},
    {"convert_exponential_histogram_to_histogram", "distribution bounds", kMetric,
     &ExponentialToExplicit, "upper, midpoint, uniform or random."},
    {"convert_gauge_to_sum", "aggregation_temporality is_monotonic", kMetric, &ConvertGaugeToSum,
     "Makes a sum of a gauge."},
    {"convert_sum_to_gauge", "", kMetric, &ConvertSumToGauge, "Makes a gauge of a sum."},
    {"convert_summary_count_val_to_sum", "aggregation_temporality is_monotonic suffix?", kMetric,
     &SummaryCountToSum, "Adds a sum of the counts."},
    {"convert_summary_quantile_val_to_gauge", "attribute_key? suffix?", kMetric,
     &SummaryQuantileToGauge, "Adds a gauge of the quantiles."},
    {"convert_summary_sum_val_to_sum", "aggregation_temporality is_monotonic suffix?", kMetric,
     &SummarySumToSum, "Adds a sum of the sums."},
    {"copy_metric", "name? description? unit?", kMetric, &CopyMetric, "Adds a copy."},
    {"extract_count_metric", "is_monotonic suffix?", kMetric, &ExtractCount,
     "Adds a sum of a distribution's counts."},
    {"extract_percentile_metric", "percentile suffix?", kMetric, &ExtractPercentile,
     "Adds a gauge of a histogram's percentile."},
    {"extract_sum_metric", "is_monotonic suffix?", kMetric, &ExtractSum,
     "Adds a sum of a distribution's sums."},
    {"merge_histogram_buckets", "bound", Level::kDatapoint, &MergeHistogramBuckets,
     "Takes a bound away and joins the buckets beside it."},
    {"scale_metric", "factor unit?", kMetric, &ScaleMetric, "Multiplies the values."},
};

}  // namespace

std::span<const Function> MetricEditors() { return kFunctions; }

}  // namespace narthex::ottl
