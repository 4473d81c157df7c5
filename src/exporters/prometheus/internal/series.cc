#include "exporters/prometheus/internal/series.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "exposition/writer.h"
#include "otlp/aggregate.h"
#include "otlp/exemplar.h"

namespace narthex::exporters::internal {
namespace {

using otlp::Temporality;

// Whether a delta point adds to what the series has, starts it anew, or cannot be used.
enum class DeltaStep { kAdd, kReplace, kDrop };

DeltaStep StepOf(const Reading& reading, uint64_t start_ns) {
  if (!reading.is_shown || start_ns > reading.time_ns) return DeltaStep::kReplace;
  return start_ns == reading.time_ns ? DeltaStep::kAdd : DeltaStep::kDrop;
}

std::vector<double> Doubles(const otlp::Words& words) {
  std::vector<double> values(words.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = words.Double(i);
  return values;
}

bool HasCuts(const Distribution& distribution, const std::vector<double>& values) {
  return distribution.cuts != nullptr && distribution.cuts->values == values;
}

bool IsOlder(const Reading& reading, uint64_t time_ns) { return time_ns < reading.time_ns; }

Outcome Store(Reading& reading, uint64_t time_ns) {
  reading.time_ns = time_ns;
  reading.is_shown = true;
  return Outcome::kStored;
}

// Only ids: Prometheus's limit leaves no room for many attributes. `field`: of the point's message;
// nullopt for a point that has none.
void StoreExemplars(Reading& reading, Series& series, std::string_view point,
                    std::optional<uint32_t> field) {
  if (!field.has_value()) {
    if (std::exchange(reading.has_exemplars, false)) series.exemplars.reset();
    return;
  }
  std::vector<StoredExemplar> exemplars;
  for (const std::string_view message : otlp::ExemplarMessages(point, *field)) {
    const otlp::Exemplar read = otlp::DecodeExemplar(message);
    StoredExemplar& stored = exemplars.emplace_back();
    if (!read.trace_id.empty()) {
      exposition::AppendLabel(stored.labels, "trace_id", otlp::HexOf(read.trace_id));
    }
    if (!read.span_id.empty()) {
      exposition::AppendLabel(stored.labels, "span_id", otlp::HexOf(read.span_id));
    }
    stored.value = read.value;
    stored.time_ms = static_cast<model::Timestamp>(read.time_ns / 1'000'000);
  }
  series.exemplars = std::make_unique<std::vector<StoredExemplar>>(std::move(exemplars));
  reading.has_exemplars = true;
}

// The buckets of a point; they may be as many as its bytes. False for those that cannot be.
bool ReadBuckets(const otlp::ExponentialBuckets& from, otlp::TreePoint::Buckets& into) {
  into.offset = from.offset;
  otlp::internal::Cursor cursor(from.counts);
  while (!cursor.empty()) into.counts.push_back(cursor.ReadVarint());
  constexpr int64_t kIndexMax = INT32_MAX - 1;
  return cursor.ok() && int64_t{into.offset} + static_cast<int64_t>(into.counts.size()) < kIndexMax;
}

// One side's spans and deltas. An index of OpenTelemetry names the lower bound of a bucket, one of
// Prometheus the upper.
void PutSide(const otlp::TreePoint::Buckets& buckets, std::vector<model::BucketSpan>& spans,
             std::vector<int64_t>& deltas) {
  int64_t before = 0;
  int64_t next = 0;  // The index that would follow the last bucket.
  for (size_t i = 0; i < buckets.counts.size(); ++i) {
    if (buckets.counts[i] == 0) continue;
    const int64_t index = int64_t{buckets.offset} + 1 + static_cast<int64_t>(i);
    if (spans.empty() || index != next) {
      spans.push_back({static_cast<int32_t>(index - next), 0});
    }
    ++spans.back().length;
    const auto count = static_cast<int64_t>(buckets.counts[i]);
    deltas.push_back(count - std::exchange(before, count));
    next = index + 1;
  }
}

Distribution& DistributionOf(Series& series) {
  if (series.distribution == nullptr) series.distribution = std::make_unique<Distribution>();
  return *series.distribution;
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

Outcome Apply(Reading& reading, Series& series, const otlp::Metric& metric,
              const otlp::NumberPoint& point) {
  if (point.type == otlp::NumberPoint::Type::kNone) return Outcome::kMalformed;
  if (IsOlder(reading, point.time_ns)) return Outcome::kOutOfOrder;
  const bool is_delta =
      metric.kind == otlp::MetricKind::kSum && metric.temporality == Temporality::kDelta;
  const bool continues = reading.is_shown && point.start_ns == reading.time_ns;
  if (!is_delta || !continues) reading.start_ns = point.start_ns;
  reading.value = is_delta && continues ? reading.value + point.Double() : point.Double();
  StoreExemplars(reading, series, point.raw,
                 point.has_exemplars ? std::optional<uint32_t>(5) : std::nullopt);
  return Store(reading, point.time_ns);
}

Outcome Apply(Reading& reading, Series& series, const otlp::Metric& metric,
              const otlp::HistogramPoint& point) {
  const std::vector<double> bounds = Doubles(point.explicit_bounds);
  const bool has_buckets = !point.bucket_counts.empty() || !bounds.empty();
  if (has_buckets &&
      (point.bucket_counts.size() != bounds.size() + 1 ||
       std::ranges::adjacent_find(bounds, std::ranges::greater_equal()) != bounds.end())) {
    return Outcome::kMalformed;
  }
  if (IsOlder(reading, point.time_ns)) return Outcome::kOutOfOrder;
  Distribution& distribution = DistributionOf(series);
  DeltaStep step = DeltaStep::kReplace;
  if (metric.temporality == Temporality::kDelta) step = StepOf(reading, point.start_ns);
  if (step == DeltaStep::kDrop) return Outcome::kUnsupported;
  if (step == DeltaStep::kReplace) reading.start_ns = point.start_ns;
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
  distribution.native.reset();
  StoreExemplars(reading, series, point.raw,
                 point.has_exemplars ? std::optional<uint32_t>(8) : std::nullopt);
  return Store(reading, point.time_ns);
}

Outcome Apply(Reading& reading, Series& series, const otlp::Metric& metric,
              const otlp::ExponentialHistogramPoint& point) {
  if (point.scale < model::kExponentialSchemaMin) return Outcome::kUnsupported;
  auto read = std::make_unique<otlp::TreePoint>();
  read->scale = point.scale;
  read->zero_count = point.zero_count;
  read->zero_threshold = point.zero_threshold;
  read->count = point.count;
  read->optionals = point.optionals;
  if (!ReadBuckets(point.positive, read->positive) ||
      !ReadBuckets(point.negative, read->negative)) {
    return Outcome::kMalformed;
  }
  if (IsOlder(reading, point.time_ns)) return Outcome::kOutOfOrder;
  Distribution& distribution = DistributionOf(series);
  DeltaStep step = DeltaStep::kReplace;
  if (metric.temporality == Temporality::kDelta) step = StepOf(reading, point.start_ns);
  if (step == DeltaStep::kDrop) return Outcome::kUnsupported;
  otlp::LowerScale(*read, read->scale - model::kExponentialSchemaMax);
  if (step == DeltaStep::kAdd && distribution.native != nullptr) {
    otlp::AddExponential(*distribution.native, *read);
  } else {
    distribution.native = std::move(read);
    reading.start_ns = point.start_ns;
  }
  // Text has no form for native buckets; the number of observations and their sum it can show.
  if (distribution.cuts == nullptr || !distribution.cuts->values.empty()) {
    distribution.cuts = series.family->CutsOf({});
  }
  distribution.count = distribution.native->count;
  distribution.sum = distribution.native->optionals.sum;
  distribution.counts.assign(1, distribution.count);
  return Store(reading, point.time_ns);
}

Outcome Apply(Reading& reading, Series& series, const otlp::Metric&,
              const otlp::SummaryPoint& point) {
  if (IsOlder(reading, point.time_ns)) return Outcome::kOutOfOrder;
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
  reading.start_ns = point.start_ns;
  distribution.quantiles = std::move(values);
  distribution.count = point.count;
  distribution.sum = point.sum;
  return Store(reading, point.time_ns);
}

model::IntegerHistogram NativeOf(const Distribution& distribution) {
  constexpr double kZeroThreshold = 1e-128;
  const otlp::TreePoint& point = *distribution.native;
  model::IntegerHistogram histogram{
      .schema = point.scale,
      .zero_threshold = point.zero_threshold > 0 ? point.zero_threshold : kZeroThreshold,
      .zero_count = point.zero_count,
      .count = distribution.count,
      .sum = distribution.sum};
  PutSide(point.positive, histogram.positive_spans, histogram.positive_deltas);
  PutSide(point.negative, histogram.negative_spans, histogram.negative_deltas);
  return histogram;
}

}  // namespace narthex::exporters::internal
