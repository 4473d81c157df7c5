#include "exporters/prometheus/internal/series.h"

#include <algorithm>

#include "exposition/writer.h"
#include "otlp/aggregate.h"

namespace narthex::exporters::internal {
namespace {

using otlp::Temporality;

// Whether a delta point adds to what the series has, starts it anew, or cannot be used.
enum class DeltaStep { kAdd, kReplace, kDrop };

DeltaStep StepOf(const Series& series, uint64_t start_ns) {
  if (!series.is_shown || start_ns > series.time_ns) return DeltaStep::kReplace;
  return start_ns == series.time_ns ? DeltaStep::kAdd : DeltaStep::kDrop;
}

std::vector<double> Doubles(const otlp::Words& words) {
  std::vector<double> values(words.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = words.Double(i);
  return values;
}

bool HasCuts(const Distribution& distribution, const std::vector<double>& values) {
  return distribution.cuts != nullptr && distribution.cuts->values == values;
}

bool IsOlder(const Series& series, uint64_t time_ns) { return time_ns < series.time_ns; }

Outcome Store(Series& series, uint64_t time_ns) {
  series.time_ns = time_ns;
  series.is_shown = true;
  return Outcome::kStored;
}

Distribution& DistributionOf(Series& series) {
  if (series.distribution == nullptr) series.distribution = std::make_unique<Distribution>();
  return *series.distribution;
}

std::vector<uint64_t> CountsOf(const otlp::ExponentialBuckets& buckets) {
  std::vector<uint64_t> counts;
  otlp::internal::Cursor cursor(buckets.counts);
  while (!cursor.empty()) counts.push_back(cursor.ReadVarint());
  return counts;
}

otlp::TreePoint TreeOf(const otlp::ExponentialHistogramPoint& point) {
  otlp::TreePoint tree{.count = point.count, .scale = point.scale, .zero_count = point.zero_count};
  tree.zero_threshold = point.zero_threshold;
  tree.positive = {point.positive.offset, CountsOf(point.positive)};
  tree.negative = {point.negative.offset, CountsOf(point.negative)};
  return tree;
}

// Brings the buckets of a point into those that are shown.
void AddNative(std::unique_ptr<otlp::TreePoint>& native,
               const otlp::ExponentialHistogramPoint& point) {
  constexpr int32_t kScaleMin = -4, kScaleMax = 8;  // Of native histograms.
  if (native == nullptr) {
    native = std::make_unique<otlp::TreePoint>(otlp::TreePoint{.scale = kScaleMax});
  }
  otlp::AddExponential(*native, TreeOf(point));
  if (native->scale < kScaleMin) native.reset();
}

}  // namespace

Cuts::Cuts(std::vector<double> cuts) : values(std::move(cuts)) {
  for (const double value : values) {
    text.push_back(exposition::FormatBound(value, exposition::Format::kText));
    open_metrics.push_back(exposition::FormatBound(value, exposition::Format::kOpenMetrics));
  }
}

std::shared_ptr<const Cuts> Family::CutsOf(std::vector<double> values) {
  for (auto& known : cuts) {
    if (known->values == values) return known;
  }
  // Bounds that change all the time must not pile up here; series keep their own alive.
  std::erase_if(cuts, [](const auto& known) { return known.use_count() == 1; });
  return cuts.emplace_back(std::make_shared<const Cuts>(std::move(values)));
}

void KeepExemplars(Series& series, std::vector<ShownExemplar> exemplars) {
  if (exemplars.empty()) return;
  if (series.exemplars == nullptr) series.exemplars = std::make_unique<ExemplarMap>();
  for (ShownExemplar& exemplar : exemplars) {
    size_t bucket = 0;
    if (series.distribution != nullptr) {
      const std::vector<double>& bounds = series.distribution->cuts->values;
      bucket =
          static_cast<size_t>(std::ranges::lower_bound(bounds, exemplar.value) - bounds.begin());
    }
    (*series.exemplars)[bucket] = std::move(exemplar);
  }
}

Outcome Apply(Series& series, const otlp::Metric& metric, const otlp::NumberPoint& point) {
  if (point.type == otlp::NumberPoint::Type::kNone) return Outcome::kMalformed;
  if (IsOlder(series, point.time_ns)) return Outcome::kOutOfOrder;
  const bool is_delta =
      metric.kind == otlp::MetricKind::kSum && metric.temporality == Temporality::kDelta;
  const bool continues = series.is_shown && point.start_ns == series.time_ns;
  series.value = is_delta && continues ? series.value + point.Double() : point.Double();
  return Store(series, point.time_ns);
}

Outcome Apply(Series& series, const otlp::Metric& metric, const otlp::HistogramPoint& point) {
  const std::vector<double> bounds = Doubles(point.explicit_bounds);
  const bool has_buckets = !point.bucket_counts.empty() || !bounds.empty();
  if (has_buckets &&
      (point.bucket_counts.size() != bounds.size() + 1 ||
       std::ranges::adjacent_find(bounds, std::ranges::greater_equal()) != bounds.end())) {
    return Outcome::kMalformed;
  }
  if (IsOlder(series, point.time_ns)) return Outcome::kOutOfOrder;
  Distribution& distribution = DistributionOf(series);
  DeltaStep step = DeltaStep::kReplace;
  if (metric.temporality == Temporality::kDelta) step = StepOf(series, point.start_ns);
  if (step == DeltaStep::kDrop) return Outcome::kUnsupported;
  if (step == DeltaStep::kReplace || !HasCuts(distribution, bounds)) {
    distribution.cuts = series.family->CutsOf(bounds);
    distribution.counts.assign(bounds.size() + 1, 0);
    distribution.count = 0;
    distribution.sum = 0;
  }
  for (size_t i = 0; i < point.bucket_counts.size(); ++i) {
    distribution.counts[i] += point.bucket_counts.Uint(i);
  }
  distribution.count += point.count;
  distribution.sum += point.optionals.sum;
  return Store(series, point.time_ns);
}

Outcome Apply(Series& series, const otlp::Metric& metric,
              const otlp::ExponentialHistogramPoint& point) {
  // Text has no form for native buckets: it shows the number of observations and their sum.
  if (IsOlder(series, point.time_ns)) return Outcome::kOutOfOrder;
  Distribution& distribution = DistributionOf(series);
  DeltaStep step = DeltaStep::kReplace;
  if (metric.temporality == Temporality::kDelta) step = StepOf(series, point.start_ns);
  if (step == DeltaStep::kDrop) return Outcome::kUnsupported;
  if (step == DeltaStep::kReplace || distribution.cuts == nullptr) {
    distribution.cuts = series.family->CutsOf({});
    distribution.counts.assign(1, 0);
    distribution.count = 0;
    distribution.sum = 0;
    distribution.native.reset();
  }
  AddNative(distribution.native, point);
  distribution.count += point.count;
  distribution.sum += point.optionals.sum;
  return Store(series, point.time_ns);
}

Outcome Apply(Series& series, const otlp::Metric&, const otlp::SummaryPoint& point) {
  if (IsOlder(series, point.time_ns)) return Outcome::kOutOfOrder;
  std::vector<double> quantiles, values;
  otlp::internal::Cursor cursor(point.quantiles);
  while (cursor.NextTag() != 0) {
    double quantile = 0, value = 0;
    otlp::internal::Cursor fields(cursor.ReadBytes());
    while (const uint32_t tag = fields.NextTag()) {
      if (tag == otlp::internal::Tag(1, otlp::internal::WireType::kFixed64)) {
        quantile = std::bit_cast<double>(fields.ReadFixed64());
      } else if (tag == otlp::internal::Tag(2, otlp::internal::WireType::kFixed64)) {
        value = std::bit_cast<double>(fields.ReadFixed64());
      } else {
        fields.Skip(tag);
      }
    }
    quantiles.push_back(quantile);
    values.push_back(value);
  }
  Distribution& distribution = DistributionOf(series);
  if (!HasCuts(distribution, quantiles)) {
    distribution.cuts = series.family->CutsOf(std::move(quantiles));
  }
  distribution.quantiles = std::move(values);
  distribution.count = point.count;
  distribution.sum = point.sum;
  return Store(series, point.time_ns);
}

}  // namespace narthex::exporters::internal
