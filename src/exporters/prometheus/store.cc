#include "exporters/prometheus/store.h"

#include <xxhash.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
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
      if (outcome == Outcome::kStored) series.seen_ns = now_ns_;
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
    series.start_ns = 0;
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

std::optional<model::Timestamp> TimestampOf(const Series& series, bool send_timestamps) {
  if (!send_timestamps || series.time_ns == 0) return std::nullopt;
  return static_cast<model::Timestamp>(series.time_ns / 1'000'000);
}

// Writes series as text.
class TextSeriesWriter {
 public:
  TextSeriesWriter(exposition::Format format, bool send_timestamps)
      : writer_(format),
        is_open_metrics_(format == exposition::Format::kOpenMetrics),
        send_timestamps_(send_timestamps) {}

  void Reserve(size_t bytes) { writer_.Reserve(bytes); }
  std::string Finish() { return writer_.Finish(); }
  void Family(std::string_view name, MetricType type, std::string_view help) {
    writer_.Family(name, type, help);
  }
  void Write(std::string_view name, MetricType type, const Series& series,
             std::string_view labels) {
    const exposition::Writer::Extras extras{.timestamp = TimestampOf(series, send_timestamps_)};
    if (series.distribution == nullptr) {
      const bool shows_exemplar = series.exemplars != nullptr && type == MetricType::kCounter;
      return writer_.Sample(
          name, "", labels, series.value,
          shows_exemplar ? WithExemplar(extras, series.exemplars->back()) : extras);
    }
    const internal::Distribution& distribution = *series.distribution;
    if (type == MetricType::kSummary) {
      WriteQuantiles(name, distribution, labels, extras);
    } else {
      WriteBuckets(name, series, labels, extras);
    }
    writer_.Sample(name, "_sum", labels, distribution.sum, extras);
    writer_.Count(name, "_count", labels, distribution.count, extras);
  }

 private:
  static exposition::Writer::Extras WithExemplar(exposition::Writer::Extras extras,
                                                 const internal::StoredExemplar& exemplar) {
    extras.exemplar_labels = exemplar.labels;
    extras.exemplar_value = exemplar.value;
    extras.exemplar_timestamp = exemplar.time_ms;
    return extras;
  }
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

  void WriteBuckets(std::string_view name, const Series& series, std::string_view labels,
                    const exposition::Writer::Extras& extras) {
    const internal::Distribution& distribution = *series.distribution;
    const std::vector<std::string>& texts = TextsOf(*distribution.cuts);
    uint64_t total = 0;
    for (size_t i = 0; i <= texts.size(); ++i) {
      const bool is_last = i == texts.size();
      total = is_last ? distribution.count : total + distribution.counts[i];
      const internal::StoredExemplar* exemplar = ExemplarOf(series, i);
      writer_.Count(name, "_bucket", With(labels, "le", is_last ? "+Inf" : texts[i]), total,
                    exemplar != nullptr ? WithExemplar(extras, *exemplar) : extras);
    }
  }

  // The last one that lies in the bucket; nullptr if none does.
  static const internal::StoredExemplar* ExemplarOf(const Series& series, size_t bucket) {
    if (series.exemplars == nullptr) return nullptr;
    const std::vector<double>& bounds = series.distribution->cuts->values;
    const internal::StoredExemplar* found = nullptr;
    for (const internal::StoredExemplar& exemplar : *series.exemplars) {
      const auto at = std::ranges::lower_bound(bounds, exemplar.value) - bounds.begin();
      if (static_cast<size_t>(at) == bucket) found = &exemplar;
    }
    return found;
  }

  void WriteQuantiles(std::string_view name, const internal::Distribution& distribution,
                      std::string_view labels, const exposition::Writer::Extras& extras) {
    const std::vector<std::string>& texts = TextsOf(*distribution.cuts);
    for (size_t i = 0; i < texts.size(); ++i) {
      writer_.Sample(name, "", With(labels, "quantile", texts[i]), distribution.quantiles[i],
                     extras);
    }
  }

  exposition::Writer writer_;
  const bool is_open_metrics_;
  const bool send_timestamps_;
  std::string buffer_;
};

// Writes series as protobuf.
class ProtobufSeriesWriter {
 public:
  explicit ProtobufSeriesWriter(bool send_timestamps) : send_timestamps_(send_timestamps) {}

  std::string Finish() { return writer_.Finish(); }
  void Family(std::string_view name, MetricType type, std::string_view help) {
    writer_.Family(name, type, help);
  }
  void Write(std::string_view, MetricType type, const Series& series, std::string_view labels) {
    const exposition::ProtobufWriter::Extras extras{
        .timestamp = TimestampOf(series, send_timestamps_), .created_ns = series.start_ns};
    exemplars_.clear();
    if (series.exemplars != nullptr) {
      for (const internal::StoredExemplar& exemplar : *series.exemplars) {
        exemplars_.push_back({exemplar.labels, exemplar.value, exemplar.time_ms});
      }
    }
    if (series.distribution == nullptr) {
      const auto exemplar = exemplars_.empty() ? std::nullopt : std::optional(exemplars_.back());
      return writer_.Number(labels, series.value, exemplar, extras);
    }
    const internal::Distribution& distribution = *series.distribution;
    if (type == MetricType::kSummary) {
      writer_.Summary(labels, distribution.cuts->values, distribution.quantiles, distribution.count,
                      distribution.sum, extras);
    } else if (distribution.native != nullptr) {
      writer_.NativeHistogram(labels, internal::NativeOf(distribution), extras);
    } else {
      writer_.Histogram(labels, distribution.cuts->values, distribution.counts, distribution.count,
                        distribution.sum, exemplars_, extras);
    }
  }

 private:
  exposition::ProtobufWriter writer_;
  std::vector<exposition::ProtobufWriter::Exemplar> exemplars_;
  const bool send_timestamps_;
};

}  // namespace

template <class SeriesWriter>
void Store::WriteFamilies(const Page& page, State& state, SeriesWriter& writer) const {
  for (auto& [key, family] : state.families) {
    if (!family.is_sorted) {
      std::ranges::sort(family.members, {},
                        [&](uint32_t slot) -> const std::string& { return state.at(slot).labels; });
      family.is_sorted = true;
    }
    const std::string& name = page.allow_utf8 ? family.name : family.escaped_name;
    bool is_open = false;
    for (const uint32_t slot : family.members) {
      const Series& series = state.at(slot);
      if (!series.is_shown) continue;
      if (!std::exchange(is_open, true)) writer.Family(name, family.type, family.help);
      const bool is_escaped = !page.allow_utf8 && series.escaped_labels != nullptr;
      writer.Write(name, family.type, series, is_escaped ? *series.escaped_labels : series.labels);
    }
  }
}

std::string Store::Render(const Page& page) const {
  base::MutexLock lock(mutex_);
  State& state = *state_;
  if (page.is_protobuf) {
    ProtobufSeriesWriter writer(config_.send_timestamps);
    WriteFamilies(page, state, writer);
    return writer.Finish();
  }
  TextSeriesWriter writer(page.format, config_.send_timestamps);
  writer.Reserve(state.page_bytes + state.page_bytes / 8);
  WriteFamilies(page, state, writer);
  std::string text = writer.Finish();
  state.page_bytes = text.size();
  return text;
}

}  // namespace narthex::exporters
