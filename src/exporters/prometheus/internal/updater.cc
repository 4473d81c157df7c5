#include "exporters/prometheus/internal/updater.h"

#include <algorithm>
#include <array>

namespace narthex::exporters::internal {
namespace {

using model::MetricType;
using otlp::MetricKind;
using otlp::Temporality;
using translate::SeriesLabels;

MetricType TypeOf(const otlp::Metric& metric) {
  switch (metric.kind) {
    case MetricKind::kNone:
      break;
    case MetricKind::kGauge: {
      const auto type = otlp::FindAttribute(metric.metadata, "prometheus.type");
      const bool is_unknown = type.has_value() && otlp::Text(*type) == "unknown";
      return is_unknown ? MetricType::kUnknown : MetricType::kGauge;
    }
    case MetricKind::kSum:
      return metric.is_monotonic ? MetricType::kCounter : MetricType::kGauge;
    case MetricKind::kHistogram:
    case MetricKind::kExponentialHistogram:
      return MetricType::kHistogram;
    case MetricKind::kSummary:
      return MetricType::kSummary;
  }
  return MetricType::kUnknown;
}

bool IsSupported(const otlp::Metric& metric) {
  switch (metric.kind) {
    case MetricKind::kNone:
      return false;
    case MetricKind::kGauge:
    case MetricKind::kSummary:
      return true;
    case MetricKind::kSum:
      return metric.temporality == Temporality::kCumulative ||
             (metric.temporality == Temporality::kDelta && metric.is_monotonic);
    case MetricKind::kHistogram:
    case MetricKind::kExponentialHistogram:
      return metric.temporality != Temporality::kUnspecified;
  }
  return false;
}

std::string TextOf(std::string_view attributes, std::string_view key) {
  const auto value = otlp::FindAttribute(attributes, key);
  return value.has_value() ? otlp::Text(*value) : std::string();
}

constexpr std::string_view kServiceName = "service.name";
constexpr std::string_view kServiceNamespace = "service.namespace";
constexpr std::string_view kServiceInstance = "service.instance.id";

void AddTarget(SeriesLabels& labels, const Resource& resource) {
  if (!resource.job.empty()) labels.Add("job", resource.job);
  if (!resource.instance.empty()) labels.Add("instance", resource.instance);
}

void SetLabels(Series& series, const SeriesLabels& labels, std::string text) {
  series.labels = std::move(text);
  series.labels.shrink_to_fit();
  series.escaped_labels = labels.has_utf8_names()
                              ? std::make_unique<std::string>(labels.Render(/*escaped=*/true))
                              : nullptr;
}

// An ended series is not shown and goes with the next expiry; a new point revives it.
void End(Reading& reading, Series& series) {
  reading.is_shown = false;
  reading.time_ns = 0;
  reading.start_ns = 0;
  reading.has_exemplars = false;
  series.distribution.reset();
  series.exemplars.reset();
}

}  // namespace

StoreCounts Updater::Run(const otlp::Batch& batch) {
  state_.LimitCaches();
  for (const otlp::ResourceMetrics& resource_metrics : batch.resources) {
    resource_ = &ResourceOf(resource_metrics.attributes);
    for (const otlp::Scope& scope : batch.ScopesOf(resource_metrics)) {
      scope_ = &ScopeOf(scope);
      context_ = Mix(resource_->identity, scope_->identity);
      for (const otlp::Metric& metric : batch.MetricsOf(scope)) UpdateMetric(batch, metric);
    }
  }
  return counts_;
}

Resource& Updater::ResourceOf(std::string_view attributes) {
  const Hash128 hash = Mix(state_.seed, attributes);
  std::unique_ptr<Resource>& resource = state_.resources[hash];
  if (resource == nullptr) {
    resource = std::make_unique<Resource>(
        Resource{.labels = SeriesLabels(config_.strategy), .identity = hash});
    FillResource(attributes, *resource);
  }
  resource->seen_ns = now_ns_;
  if (resource->has_target) TouchTarget(attributes, *resource);
  return *resource;
}

void Updater::FillResource(std::string_view attributes, Resource& resource) {
  resource.job = TextOf(attributes, kServiceName);
  const std::string service_namespace = TextOf(attributes, kServiceNamespace);
  if (!service_namespace.empty() && !resource.job.empty()) {
    resource.job = service_namespace + '/' + resource.job;
  }
  resource.instance = TextOf(attributes, kServiceInstance);
  resource.has_target = !resource.job.empty() && !resource.instance.empty();
  AddTarget(resource.labels, resource);
  for (const auto& [name, value] : config_.const_labels) resource.labels.Add(name, value);
  AddChosen(attributes, resource.labels,
            [&](std::string_view key) { return config_.resource_labels.Takes(key); });
}

template <class Take>
void Updater::AddChosen(std::string_view attributes, SeriesLabels& labels, Take take) {
  otlp::KeyValues reader(attributes);
  while (const auto item = reader.Next()) {
    if (!take(item->key)) continue;
    const auto name = otlp::LabelName(item->key, config_.strategy);
    if (name.has_value()) labels.Add(*name, otlp::Text(item->value));
  }
}

void Updater::TouchTarget(std::string_view attributes, Resource& resource) {
  if (resource.target.has_value() && state_.IsCurrent(*resource.target)) {
    state_.readings[resource.target->slot].seen = now_tick_;
    return;
  }
  Family* family = FamilyOf(PrefixedTargetInfo(), MetricType::kGauge, "Target metadata");
  if (family == nullptr) return;
  SeriesLabels labels(config_.strategy);
  AddTarget(labels, resource);
  AddChosen(attributes, labels, [](std::string_view key) {
    return key != kServiceName && key != kServiceNamespace && key != kServiceInstance;
  });
  const std::string key = resource.job + '\0' + resource.instance;
  const Hash128 identity = Mix(Mix(state_.seed, family->name), key);
  const uint32_t slot = FindOrAdd(*family, identity, labels, labels.Render());
  Series& series = state_.series[slot];
  SetLabels(series, labels, labels.Render());
  family->is_sorted = false;
  Reading& reading = state_.readings[slot];
  reading.value = 1;
  reading.is_shown = true;
  reading.seen = now_tick_;
  resource.target = Alias{slot, series.generation};
}

std::string Updater::PrefixedTargetInfo() const {
  return config_.name_prefix.empty() ? "target_info" : config_.name_prefix + "_target_info";
}

ScopeLabels& Updater::ScopeOf(const otlp::Scope& scope) {
  Hash128 hash = Mix(state_.seed, scope.name);
  hash = Mix(Mix(Mix(hash, scope.version), scope.schema_url), scope.attributes);
  std::unique_ptr<ScopeLabels>& labels = state_.scopes[hash];
  if (labels == nullptr) {
    labels = std::make_unique<ScopeLabels>(
        ScopeLabels{.labels = SeriesLabels(config_.strategy), .identity = hash});
    if (!config_.without_scope_info) {
      labels->labels.Add("otel_scope_name", scope.name);
      labels->labels.Add("otel_scope_version", scope.version);
      labels->labels.Add("otel_scope_schema_url", scope.schema_url);
      labels->labels.AddAttributes(scope.attributes, "otel_scope_");
    }
  }
  labels->seen_ns = now_ns_;
  return *labels;
}

void Updater::UpdateMetric(const otlp::Batch& batch, const otlp::Metric& metric) {
  if (metric.point_count == 0) return;
  const char kind[] = {static_cast<char>(metric.kind), static_cast<char>(metric.temporality),
                       static_cast<char>(metric.is_monotonic)};
  const Hash128 hash = Mix(Mix(Mix(context_, metric.name), metric.unit), {kind, sizeof(kind)});
  Route& route = state_.routes[hash];
  if (route.family == nullptr && route.refusal == Route::Refusal::kNone) {
    route = MakeRoute(metric);
  }
  route.seen_ns = now_ns_;
  if (route.refusal != Route::Refusal::kNone) return Refuse(route.refusal, metric.point_count);
  Family& family = *route.family;
  switch (metric.kind) {
    case MetricKind::kNone:
      break;
    case MetricKind::kGauge:
    case MetricKind::kSum:
      return UpdatePoints(family, hash, metric, batch.NumbersOf(metric));
    case MetricKind::kHistogram:
      return UpdatePoints(family, hash, metric, batch.HistogramsOf(metric));
    case MetricKind::kExponentialHistogram:
      return UpdatePoints(family, hash, metric, batch.ExponentialsOf(metric));
    case MetricKind::kSummary:
      return UpdatePoints(family, hash, metric, batch.SummariesOf(metric));
  }
}

void Updater::Refuse(Route::Refusal refusal, size_t points) {
  switch (refusal) {
    case Route::Refusal::kNone:
      break;
    case Route::Refusal::kTypeClash:
      counts_.type_clash += points;
      break;
    case Route::Refusal::kBadName:
      counts_.bad_name += points;
      break;
    case Route::Refusal::kUnsupported:
      counts_.unsupported += points;
      break;
  }
}

Route Updater::MakeRoute(const otlp::Metric& metric) {
  if (!IsSupported(metric)) return {.refusal = Route::Refusal::kUnsupported};
  const auto name =
      otlp::MetricName({.name = metric.name,
                        .unit = metric.unit,
                        .is_monotonic_sum = metric.kind == MetricKind::kSum && metric.is_monotonic,
                        .is_gauge = metric.kind == MetricKind::kGauge},
                       config_.strategy, config_.name_prefix);
  if (!name.has_value()) return {.refusal = Route::Refusal::kBadName};
  Family* family = FamilyOf(*name, TypeOf(metric), metric.description);
  if (family == nullptr) return {.refusal = Route::Refusal::kTypeClash};
  return {.family = family};
}

Family* Updater::FamilyOf(const std::string& name, MetricType type, std::string_view help) {
  const auto [at, is_new] = state_.families.try_emplace(name);
  Family& family = at->second;
  if (is_new) {
    family.name = name;
    family.escaped_name =
        otlp::MetricName({.name = name},
                         otlp::TranslationStrategy::kUnderscoreEscapingWithoutSuffixes)
            .value_or("_");
    family.type = type;
    family.help = help;
  }
  return family.type == type ? &family : nullptr;
}

template <class Point>
void Updater::UpdatePoints(Family& family, const Hash128& metric_hash, const otlp::Metric& metric,
                           std::span<const Point> points) {
  // A look-up waits for memory, twice; a block of them waits together.
  constexpr size_t kBlock = 32;
  std::array<Hash128, kBlock> hashes;
  std::array<uint32_t, kBlock> slots;
  for (size_t first = 0; first < points.size(); first += kBlock) {
    const auto block = points.subspan(first, std::min(kBlock, points.size() - first));
    for (size_t i = 0; i < block.size(); ++i) {
      hashes[i] = Mix(metric_hash, block[i].attributes);
      state_.by_bytes.Prefetch(hashes[i]);
    }
    for (size_t i = 0; i < block.size(); ++i) {
      slots[i] = state_.by_bytes.Find(hashes[i]);
      if (slots[i] != kNoSlot) __builtin_prefetch(&state_.readings[slots[i]], /*rw=*/1);
    }
    for (size_t i = 0; i < block.size(); ++i) {
      if (slots[i] == kNoSlot) slots[i] = Resolve(family, hashes[i], block[i].attributes);
      Bring(slots[i], metric, block[i]);
    }
  }
}

template <class Point>
void Updater::Bring(uint32_t slot, const otlp::Metric& metric, const Point& point) {
  Reading& reading = state_.readings[slot];
  if ((point.flags & otlp::kNoRecordedValue) != 0) {
    End(reading, state_.series[slot]);
    ++counts_.stored;
    return;
  }
  const Outcome outcome = Apply(reading, state_.series[slot], metric, point);
  Count(outcome);
  if (outcome == Outcome::kStored) reading.seen = now_tick_;
}

void Updater::Count(Outcome outcome) {
  switch (outcome) {
    case Outcome::kStored:
      ++counts_.stored;
      break;
    case Outcome::kOutOfOrder:
      ++counts_.out_of_order;
      break;
    case Outcome::kUnsupported:
      ++counts_.unsupported;
      break;
    case Outcome::kMalformed:
      ++counts_.malformed;
      break;
  }
}

uint32_t Updater::Resolve(Family& family, const Hash128& bytes, std::string_view attributes) {
  // A point before it in its block may have had the same attributes.
  if (const uint32_t known = state_.by_bytes.Find(bytes); known != kNoSlot) return known;
  SeriesLabels labels(config_.strategy);
  labels.AddAttributes(attributes);
  labels.Add(scope_->labels);
  labels.Add(resource_->labels);
  std::string text = labels.Render();
  const Hash128 identity = Mix(Mix(state_.seed, family.name), text);
  const uint32_t slot = FindOrAdd(family, identity, labels, std::move(text));
  state_.by_bytes.Insert(bytes, slot);
  return slot;
}

uint32_t Updater::FindOrAdd(Family& family, const Hash128& identity, const SeriesLabels& labels,
                            std::string text) {
  if (const uint32_t known = state_.by_identity.Find(identity); known != kNoSlot) return known;
  const uint32_t slot = state_.AddSlot();
  state_.by_identity.Insert(identity, slot);
  Reading& reading = state_.readings[slot];
  reading.is_used = true;
  reading.seen = now_tick_;
  Series& series = state_.series[slot];
  ++series.generation;
  series.family = &family;
  SetLabels(series, labels, std::move(text));
  family.members.push_back(slot);
  family.is_sorted = false;
  return slot;
}

}  // namespace narthex::exporters::internal
