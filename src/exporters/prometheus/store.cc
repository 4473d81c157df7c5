#include "exporters/prometheus/store.h"

#include <xxhash.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <limits>
#include <optional>

#include "base/random.h"
#include "exporters/prometheus/internal/series.h"
#include "exposition/protobuf_writer.h"
#include "exposition/writer.h"
#include "translate/series_labels.h"

namespace narthex::exporters {

using translate::SeriesLabels;
namespace {

using internal::Family;
using internal::Outcome;
using internal::Series;
using model::MetricType;
using otlp::MetricKind;
using otlp::Temporality;

// 128 bits, keyed per process: nobody can make two things collide, so that the bytes behind a hash
// need not be kept.
struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};
struct HashOfHash {
  size_t operator()(const Hash128& hash) const { return hash.low; }
};
template <class Value>
using HashMap = boost::unordered_flat_map<Hash128, Value, HashOfHash>;

// Mixes `bytes` into `hash`. Bytes of one field cannot pass for those of the next.
Hash128 Mix(const Hash128& hash, std::string_view bytes) {
  const XXH128_hash_t mixed = XXH3_128bits_withSeed(bytes.data(), bytes.size(), hash.low);
  return {mixed.low64, mixed.high64 + std::rotl(hash.high, 23)};
}
Hash128 Mix(const Hash128& hash, const Hash128& other) {
  return Mix(hash, {reinterpret_cast<const char*>(&other), sizeof(other)});
}

// A series, as long as the slot has not been given to another.
struct Alias {
  uint32_t slot;
  uint32_t generation;
};

// What all series of a resource have in common.
struct Resource {
  SeriesLabels labels;  // job, instance, constant and chosen resource labels.
  Hash128 identity;
  int64_t seen_ns = 0;
  bool has_target = false;
  std::string job, instance;
  std::optional<Alias> target;  // The series of target_info.
};

struct ScopeLabels {
  SeriesLabels labels;
  Hash128 identity;
  int64_t seen_ns = 0;
};

// Where the points of a metric go.
struct Route {
  enum class Refusal : uint8_t { kNone, kTypeClash, kBadName, kUnsupported };
  Family* family = nullptr;
  Refusal refusal = Refusal::kNone;
  int64_t seen_ns = 0;
};

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

constexpr size_t kContextsMax = 65'536;
constexpr std::string_view kServiceName = "service.name";
constexpr std::string_view kServiceNamespace = "service.namespace";
constexpr std::string_view kServiceInstance = "service.instance.id";

}  // namespace

struct Store::State {
  explicit State(uint64_t key) : seed{key, ~key} {}

  Series& at(uint32_t slot) { return series[slot]; }
  bool IsCurrent(const Alias& alias) const {
    return series[alias.slot].generation == alias.generation;
  }
  // What is known by its bytes can be found out again, so that a sender who varies them without
  // making new series cannot fill the memory.
  void LimitCaches() {
    if (by_bytes.size() > kContextsMax + 4 * by_identity.size()) by_bytes.clear();
    if (resources.size() > kContextsMax) resources.clear();
    if (scopes.size() > kContextsMax) scopes.clear();
    if (routes.size() > kContextsMax) routes.clear();
  }

  const Hash128 seed;
  std::map<std::string, Family, std::less<>> families;  // By name.
  std::deque<Series> series;                            // By slot; family null where free.
  std::vector<uint32_t> free_slots;
  HashMap<uint32_t> by_identity;  // Family and labels.
  HashMap<Alias> by_bytes;        // Metric and raw attributes.
  HashMap<std::unique_ptr<Resource>> resources;
  HashMap<std::unique_ptr<ScopeLabels>> scopes;
  HashMap<Route> routes;
  mutable size_t page_bytes = 0;  // Of the last page.
};

// Brings one batch in. REQUIRES: the store's lock is held.
class Store::Updater {
 public:
  Updater(const PrometheusConfig& config, State& state, int64_t now_ns)
      : config_(config), state_(state), now_ns_(now_ns) {}

  StoreCounts Run(const otlp::Batch& batch) {
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

 private:
  Resource& ResourceOf(std::string_view attributes) {
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

  void FillResource(std::string_view attributes, Resource& resource) {
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

  static void AddTarget(SeriesLabels& labels, const Resource& resource) {
    if (!resource.job.empty()) labels.Add("job", resource.job);
    if (!resource.instance.empty()) labels.Add("instance", resource.instance);
  }

  template <class Take>
  void AddChosen(std::string_view attributes, SeriesLabels& labels, Take take) {
    otlp::KeyValues reader(attributes);
    while (const auto item = reader.Next()) {
      if (!take(item->key)) continue;
      const auto name = otlp::LabelName(item->key, config_.strategy);
      if (name.has_value()) labels.Add(*name, otlp::Text(item->value));
    }
  }

  // Keeps target_info of a resource alive. Of several attribute sets for one target the last holds.
  void TouchTarget(std::string_view attributes, Resource& resource) {
    if (resource.target.has_value() && state_.IsCurrent(*resource.target)) {
      state_.at(resource.target->slot).seen_ns = now_ns_;
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
    Series& series = state_.at(slot);
    SetLabels(series, labels, labels.Render());
    family->is_sorted = false;
    series.value = 1;
    series.is_shown = true;
    series.seen_ns = now_ns_;
    resource.target = Alias{slot, series.generation};
  }

  std::string PrefixedTargetInfo() const {
    return config_.name_prefix.empty() ? "target_info" : config_.name_prefix + "_target_info";
  }

  ScopeLabels& ScopeOf(const otlp::Scope& scope) {
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

  void UpdateMetric(const otlp::Batch& batch, const otlp::Metric& metric) {
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

  void Refuse(Route::Refusal refusal, size_t points) {
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

  Route MakeRoute(const otlp::Metric& metric) {
    if (!IsSupported(metric)) return {.refusal = Route::Refusal::kUnsupported};
    const auto name = otlp::MetricName(
        {.name = metric.name,
         .unit = metric.unit,
         .is_monotonic_sum = metric.kind == MetricKind::kSum && metric.is_monotonic,
         .is_gauge = metric.kind == MetricKind::kGauge},
        config_.strategy, config_.name_prefix);
    if (!name.has_value()) return {.refusal = Route::Refusal::kBadName};
    Family* family = FamilyOf(*name, TypeOf(metric), metric.description);
    if (family == nullptr) return {.refusal = Route::Refusal::kTypeClash};
    return {.family = family};
  }

  // nullptr when the name belongs to another type.
  Family* FamilyOf(const std::string& name, MetricType type, std::string_view help) {
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
  void UpdatePoints(Family& family, const Hash128& metric_hash, const otlp::Metric& metric,
                    std::span<const Point> points) {
    for (const Point& point : points) {
      const Hash128 bytes = Mix(metric_hash, point.attributes);
      const bool has_ended = (point.flags & otlp::kNoRecordedValue) != 0;
      const auto alias = state_.by_bytes.find(bytes);
      uint32_t slot;
      if (alias != state_.by_bytes.end() && state_.IsCurrent(alias->second)) {
        slot = alias->second.slot;
      } else {
        slot = Resolve(family, bytes, point.attributes);
      }
      Series& series = state_.at(slot);
      if (has_ended) {
        End(series);
        ++counts_.stored;
        continue;
      }
      const Outcome outcome = internal::Apply(series, metric, point);
      Count(outcome);
      if (outcome != Outcome::kStored) continue;
      series.seen_ns = now_ns_;
      // Plain text does not show them.
      if (config_.enable_open_metrics) AddExemplars(series, metric, point);
    }
  }

  template <class Point>
  static void AddExemplars(Series& series, const otlp::Metric& metric, const Point& point) {
    if constexpr (std::is_same_v<Point, otlp::NumberPoint>) {
      if (metric.is_monotonic) KeepExemplars(series, internal::ReadExemplars(point.raw, 5));
    } else if constexpr (std::is_same_v<Point, otlp::HistogramPoint>) {
      KeepExemplars(series, internal::ReadExemplars(point.raw, 8));
    }
  }

  void Count(Outcome outcome) {
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

  // An ended series is not shown and goes with the next expiry; a new point revives it.
  static void End(Series& series) {
    series.is_shown = false;
    series.time_ns = 0;
    series.distribution.reset();
    series.exemplars.reset();
  }

  // The series behind attributes that have not been seen in this spelling.
  uint32_t Resolve(Family& family, const Hash128& bytes, std::string_view attributes) {
    SeriesLabels labels(config_.strategy);
    labels.AddAttributes(attributes);
    labels.Add(scope_->labels);
    labels.Add(resource_->labels);
    std::string text = labels.Render();
    const Hash128 identity = Mix(Mix(state_.seed, family.name), text);
    const uint32_t slot = FindOrAdd(family, identity, labels, std::move(text));
    state_.by_bytes[bytes] = {slot, state_.at(slot).generation};
    return slot;
  }

  // `text`: the labels, rendered.
  uint32_t FindOrAdd(Family& family, const Hash128& identity, const SeriesLabels& labels,
                     std::string text) {
    const auto [at, is_new] = state_.by_identity.try_emplace(identity, 0);
    if (!is_new) return at->second;
    uint32_t slot;
    if (state_.free_slots.empty()) {
      slot = static_cast<uint32_t>(state_.series.size());
      state_.series.emplace_back();
    } else {
      slot = state_.free_slots.back();
      state_.free_slots.pop_back();
    }
    at->second = slot;
    Series& series = state_.at(slot);
    ++series.generation;
    series.family = &family;
    series.seen_ns = now_ns_;
    SetLabels(series, labels, std::move(text));
    family.members.push_back(slot);
    family.is_sorted = false;
    return slot;
  }

  void SetLabels(Series& series, const SeriesLabels& labels, std::string text) {
    series.labels = std::move(text);
    series.labels.shrink_to_fit();
    series.escaped_labels = labels.has_utf8_names()
                                ? std::make_unique<std::string>(labels.Render(/*escaped=*/true))
                                : nullptr;
  }

  const PrometheusConfig& config_;
  State& state_;
  const int64_t now_ns_;
  StoreCounts counts_;
  Resource* resource_ = nullptr;
  ScopeLabels* scope_ = nullptr;
  Hash128 context_;
};

Store::Store(const PrometheusConfig& config, const base::Clock& clock)
    : config_(config), clock_(clock), state_(std::make_unique<State>(base::RandomSeed())) {}

Store::~Store() = default;

StoreCounts Store::Update(const otlp::Batch& batch) {
  base::MutexLock lock(mutex_);
  return Updater(config_, *state_, clock_.MonotonicNs()).Run(batch);
}

size_t Store::Expire() {
  base::MutexLock lock(mutex_);
  State& state = *state_;
  const int64_t limit_ns = clock_.MonotonicNs() - config_.expiration.count();
  size_t expired = 0;
  boost::unordered::erase_if(state.by_identity, [&](const auto& entry) {
    Series& series = state.at(entry.second);
    if (series.seen_ns >= limit_ns && series.is_shown) return false;
    const uint32_t generation = series.generation + 1;
    series = Series();
    series.generation = generation;
    state.free_slots.push_back(entry.second);
    ++expired;
    return true;
  });
  if (expired > 0) {
    for (auto& [name, family] : state.families) {
      std::erase_if(family.members,
                    [&](uint32_t slot) { return state.at(slot).family != &family; });
    }
    boost::unordered::erase_if(state.by_bytes,
                               [&](const auto& entry) { return !state.IsCurrent(entry.second); });
  }
  const auto is_old = [&](const auto& entry) { return entry.second->seen_ns < limit_ns; };
  boost::unordered::erase_if(state.resources, is_old);
  boost::unordered::erase_if(state.scopes, is_old);
  // A family without series gives its name free, which may settle a clash.
  boost::unordered::erase_if(state.routes, [&](const auto& entry) {
    const Route& route = entry.second;
    return route.seen_ns < limit_ns || route.family == nullptr || route.family->members.empty();
  });
  std::erase_if(state.families, [](const auto& entry) { return entry.second.members.empty(); });
  return expired;
}

size_t Store::series_count() const {
  base::MutexLock lock(mutex_);
  return state_->by_identity.size();
}

namespace {

// Writes the samples of one series.
class SeriesWriter {
 public:
  SeriesWriter(exposition::Writer& writer, exposition::Format format, bool send_timestamps)
      : writer_(writer),
        is_open_metrics_(format == exposition::Format::kOpenMetrics),
        send_timestamps_(send_timestamps) {}

  void Write(std::string_view name, MetricType type, const Series& series,
             std::string_view labels) {
    exposition::Writer::Extras extras;
    if (send_timestamps_ && series.time_ns != 0) {
      extras.timestamp = static_cast<int64_t>(series.time_ns / 1'000'000);
    }
    if (series.distribution == nullptr) {
      AddExemplar(series.exemplars.get(), 0, extras);
      return writer_.Sample(name, "", labels, series.value, extras);
    }
    const internal::Distribution& distribution = *series.distribution;
    if (type == MetricType::kSummary) {
      WriteQuantiles(name, distribution, labels, extras);
    } else {
      WriteBuckets(name, distribution, series.exemplars.get(), labels, extras);
    }
    writer_.Sample(name, "_sum", labels, distribution.sum, extras);
    writer_.Count(name, "_count", labels, distribution.count, extras);
  }

 private:
  std::string_view With(std::string_view labels, std::string_view name, std::string_view value) {
    buffer_ = labels;
    if (!buffer_.empty()) buffer_ += ',';
    buffer_ += name;
    buffer_ += "=\"";
    buffer_ += value;
    buffer_ += '"';
    return buffer_;
  }
  const std::vector<std::string>& TextsOf(const internal::Cuts& cuts) const {
    return is_open_metrics_ ? cuts.open_metrics : cuts.text;
  }

  // `extras` with the exemplar of that bucket, or without any.
  static void AddExemplar(const internal::ExemplarMap* exemplars, size_t bucket,
                          exposition::Writer::Extras& extras) {
    extras.exemplar_value.reset();
    if (exemplars == nullptr) return;
    const auto found = exemplars->find(bucket);
    if (found == exemplars->end()) return;
    extras.exemplar_labels = found->second.labels;
    extras.exemplar_value = found->second.value;
    extras.exemplar_timestamp = found->second.time_ms;
  }

  void WriteBuckets(std::string_view name, const internal::Distribution& distribution,
                    const internal::ExemplarMap* exemplars, std::string_view labels,
                    exposition::Writer::Extras extras) {
    uint64_t total = 0;
    const std::vector<std::string>& texts = TextsOf(*distribution.cuts);
    for (size_t i = 0; i < texts.size(); ++i) {
      total += distribution.counts[i];
      AddExemplar(exemplars, i, extras);
      writer_.Count(name, "_bucket", With(labels, "le", texts[i]), total, extras);
    }
    AddExemplar(exemplars, texts.size(), extras);
    writer_.Count(name, "_bucket", With(labels, "le", "+Inf"), distribution.count, extras);
  }

  void WriteQuantiles(std::string_view name, const internal::Distribution& distribution,
                      std::string_view labels, const exposition::Writer::Extras& extras) {
    const std::vector<std::string>& texts = TextsOf(*distribution.cuts);
    for (size_t i = 0; i < texts.size(); ++i) {
      writer_.Sample(name, "", With(labels, "quantile", texts[i]), distribution.quantiles[i],
                     extras);
    }
  }

  exposition::Writer& writer_;
  const bool is_open_metrics_;
  const bool send_timestamps_;
  std::string buffer_;
};

}  // namespace

namespace {

using exposition::ProtobufWriter;

// Writes the series of one family as messages.
class MessageWriter {
 public:
  MessageWriter(ProtobufWriter& writer, bool send_timestamps)
      : writer_(writer), send_timestamps_(send_timestamps) {}

  void Write(MetricType type, const Series& series, std::string_view labels) {
    std::optional<int64_t> timestamp;
    if (send_timestamps_ && series.time_ns != 0) {
      timestamp = static_cast<int64_t>(series.time_ns / 1'000'000);
    }
    exemplars_.clear();
    if (series.exemplars != nullptr) {
      for (const auto& [bucket, shown] : *series.exemplars) {
        exemplars_[bucket] = {shown.labels, shown.value, shown.time_ms};
      }
    }
    if (series.distribution == nullptr) {
      return writer_.Number(labels, series.value, ExemplarOf(0), timestamp);
    }
    const internal::Distribution& distribution = *series.distribution;
    if (type == MetricType::kSummary) {
      std::vector<std::pair<double, double>> quantiles;
      for (size_t i = 0; i < distribution.quantiles.size(); ++i) {
        quantiles.emplace_back(distribution.cuts->values[i], distribution.quantiles[i]);
      }
      return writer_.Summary(labels, distribution.count, distribution.sum, quantiles, timestamp);
    }
    if (distribution.native != nullptr) return WriteNative(distribution, labels, timestamp);
    std::vector<ProtobufWriter::Bucket> buckets;
    uint64_t total = 0;
    for (size_t i = 0; i < distribution.cuts->values.size(); ++i) {
      total += distribution.counts[i];
      buckets.push_back({distribution.cuts->values[i], total, ExemplarOf(i)});
    }
    buckets.push_back({std::numeric_limits<double>::infinity(), distribution.count,
                       ExemplarOf(distribution.cuts->values.size())});
    writer_.Histogram(labels, distribution.count, distribution.sum, buckets, nullptr, timestamp);
  }

 private:
  const ProtobufWriter::Exemplar* ExemplarOf(size_t bucket) const {
    const auto found = exemplars_.find(bucket);
    return found == exemplars_.end() ? nullptr : &found->second;
  }

  void WriteNative(const internal::Distribution& distribution, std::string_view labels,
                   std::optional<int64_t> timestamp) {
    constexpr double kZeroThreshold = 1e-128;  // As the official exporter, where nothing is said.
    const otlp::TreePoint& point = *distribution.native;
    // Buckets of OTLP are named by their lower ends, native ones by their upper.
    const ProtobufWriter::Native native{
        .schema = point.scale,
        .zero_threshold = point.zero_threshold > 0 ? point.zero_threshold : kZeroThreshold,
        .zero_count = point.zero_count,
        .positive = {point.positive.offset + 1, point.positive.counts},
        .negative = {point.negative.offset + 1, point.negative.counts}};
    writer_.Histogram(labels, distribution.count, distribution.sum, {}, &native, timestamp);
  }

  ProtobufWriter& writer_;
  const bool send_timestamps_;
  std::map<size_t, ProtobufWriter::Exemplar> exemplars_;
};

}  // namespace

// Calls `visit` with every series that is shown, in order: with its family, that family's name for
// this reader, its labels, and whether it is the first of its family.
template <class Visit>
void Store::VisitShown(const Page& page, Visit visit) const {
  State& state = *state_;
  for (auto& [key, family] : state.families) {
    if (!family.is_sorted) {
      std::ranges::sort(family.members, {},
                        [&](uint32_t slot) -> const std::string& { return state.at(slot).labels; });
      family.is_sorted = true;
    }
    const std::string& name = page.allow_utf8 ? family.name : family.escaped_name;
    bool is_first = true;
    for (const uint32_t slot : family.members) {
      const Series& series = state.at(slot);
      if (!series.is_shown) continue;
      const bool is_escaped = !page.allow_utf8 && series.escaped_labels != nullptr;
      visit(family, name, series, is_escaped ? *series.escaped_labels : series.labels,
            std::exchange(is_first, false));
    }
  }
}

std::string Store::Render(const Page& page) const {
  base::MutexLock lock(mutex_);
  if (page.is_protobuf) {
    ProtobufWriter writer;
    MessageWriter messages(writer, config_.send_timestamps);
    VisitShown(page, [&](const Family& family, const std::string& name, const Series& series,
                         const std::string& labels, bool is_first) {
      if (is_first) writer.BeginFamily(name, family.type, family.help);
      messages.Write(family.type, series, labels);
    });
    return writer.Finish();
  }
  exposition::Writer writer(page.format);
  SeriesWriter series_writer(writer, page.format, config_.send_timestamps);
  const size_t expected = state_->page_bytes;
  writer.Reserve(expected + expected / 8);
  VisitShown(page, [&](const Family& family, const std::string& name, const Series& series,
                       const std::string& labels, bool is_first) {
    if (is_first) writer.Family(name, family.type, family.help);
    series_writer.Write(name, family.type, series, labels);
  });
  std::string text = writer.Finish();
  state_->page_bytes = text.size();
  return text;
}

}  // namespace narthex::exporters
