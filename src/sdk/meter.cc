#include "sdk/meter.h"

#include <algorithm>

#include "sdk/internal/callback_registry.h"

namespace narthex::sdk {
namespace {

using internal::Descriptor;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A letter, then up to 254 of letters, digits, `_`, `.`, `-` and `/`.
bool IsInstrumentName(std::string_view name) {
  if (name.empty() || name.size() > 255 || !IsLetter(name[0])) return false;
  return std::ranges::all_of(name, [](char c) {
    return IsLetter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' || c == '/';
  });
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool IsSame(const Descriptor& a, const Descriptor& b) {
  return a.kind == b.kind && a.is_int == b.is_int && a.unit == b.unit &&
         a.description == b.description;
}

Temporality Choose(TemporalityPreference preference, InstrumentKind kind) {
  const bool is_sync_sum = kind == InstrumentKind::kCounter || kind == InstrumentKind::kHistogram;
  switch (preference) {
    case TemporalityPreference::kCumulative:
      return Temporality::kCumulative;
    case TemporalityPreference::kDelta:
      return is_sync_sum || kind == InstrumentKind::kObservableCounter ? Temporality::kDelta
                                                                       : Temporality::kCumulative;
    case TemporalityPreference::kLowMemory:
      return is_sync_sum ? Temporality::kDelta : Temporality::kCumulative;
  }
  return Temporality::kCumulative;
}

Descriptor Describe(std::string_view name, std::string_view description, std::string_view unit,
                    InstrumentKind kind, bool is_int) {
  return {std::string(name), std::string(description), std::string(unit), kind, is_int};
}

std::vector<double> Bounds(HistogramOptions options) {
  if (!options.boundaries.has_value()) {
    return {0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  }
  std::vector<double> bounds = *std::move(options.boundaries);
  std::erase_if(bounds, [](double bound) { return !std::isfinite(bound); });
  std::ranges::sort(bounds);
  bounds.erase(std::ranges::unique(bounds).begin(), bounds.end());
  return bounds;
}

void Fill(const Descriptor& descriptor, Temporality temporality, MetricData& into) {
  into.name = descriptor.name;
  into.description = descriptor.description;
  into.unit = descriptor.unit;
  into.kind = descriptor.kind == InstrumentKind::kHistogram ? DataKind::kHistogram
              : descriptor.is_gauge()                       ? DataKind::kGauge
                                                            : DataKind::kSum;
  into.temporality = temporality;
  into.is_monotonic = descriptor.is_monotonic();
  into.numbers.clear();
  into.histograms.clear();
  into.bounds = {};
  into.bucket_counts.clear();
}

}  // namespace

template <class T>
void ObservableInstrument<T>::AddCallback(Callback callback) {
  callbacks_->Add(this, [stream = stream_, run = std::move(callback)](uint64_t collection) {
    ObserverResult<T> result(*stream, collection);
    run(result);
  });
}

template <class T>
void ObservableInstrument<T>::RemoveCallbacks() {
  callbacks_->RemoveAll(this);
}

template class ObservableInstrument<int64_t>;
template class ObservableInstrument<double>;

Meter::Meter(Scope scope, Context context)
    : scope_(std::move(scope)), context_(std::move(context)) {}

template <class Stream, class... Args>
std::shared_ptr<Stream> Meter::FindOrMakeStream(Descriptor descriptor, const Args&... args) {
  const bool is_valid = IsInstrumentName(descriptor.name);
  if (!is_valid) {
    context_.logger.Warn("sdk", "invalid instrument name, its measurements are dropped",
                         {{"name", descriptor.name}});
  }
  base::MutexLock lock(mutex_);
  for (const auto& stream : streams_) {
    if (!EqualIgnoringCase(stream->descriptor().name, descriptor.name)) continue;
    descriptor.name = stream->descriptor().name;  // The first spelling wins.
    if (IsSame(stream->descriptor(), descriptor)) return std::static_pointer_cast<Stream>(stream);
    context_.logger.Warn("sdk", "instrument registered twice with different descriptions",
                         {{"name", descriptor.name}, {"meter", scope_.name}});
  }
  const Temporality temporality = Choose(context_.temporality, descriptor.kind);
  auto stream = std::make_shared<Stream>(
      internal::StreamConfig{.descriptor = std::move(descriptor),
                             .temporality = temporality,
                             .cardinality_limit = context_.cardinality_limit,
                             .hash_seed = context_.hash_seed,
                             .clock = &context_.clock},
      args...);
  if (is_valid) streams_.push_back(stream);
  return stream;
}

std::unique_ptr<Counter<uint64_t>> Meter::CreateUInt64Counter(std::string_view name,
                                                              std::string_view description,
                                                              std::string_view unit) {
  return std::make_unique<Counter<uint64_t>>(FindOrMakeStream<internal::SumStream<uint64_t>>(
      Describe(name, description, unit, InstrumentKind::kCounter, true)));
}

std::unique_ptr<Counter<double>> Meter::CreateDoubleCounter(std::string_view name,
                                                            std::string_view description,
                                                            std::string_view unit) {
  return std::make_unique<Counter<double>>(FindOrMakeStream<internal::SumStream<double>>(
      Describe(name, description, unit, InstrumentKind::kCounter, false)));
}

std::unique_ptr<UpDownCounter<int64_t>> Meter::CreateInt64UpDownCounter(
    std::string_view name, std::string_view description, std::string_view unit) {
  return std::make_unique<UpDownCounter<int64_t>>(FindOrMakeStream<internal::SumStream<int64_t>>(
      Describe(name, description, unit, InstrumentKind::kUpDownCounter, true)));
}

std::unique_ptr<UpDownCounter<double>> Meter::CreateDoubleUpDownCounter(
    std::string_view name, std::string_view description, std::string_view unit) {
  return std::make_unique<UpDownCounter<double>>(FindOrMakeStream<internal::SumStream<double>>(
      Describe(name, description, unit, InstrumentKind::kUpDownCounter, false)));
}

template <class T>
std::unique_ptr<Histogram<T>> Meter::MakeHistogram(std::string_view name,
                                                   std::string_view description,
                                                   std::string_view unit,
                                                   HistogramOptions options) {
  auto shape = std::make_shared<internal::HistogramShape>();
  shape->bounds = Bounds(std::move(options));
  shape->is_delta = Choose(context_.temporality, InstrumentKind::kHistogram) == Temporality::kDelta;
  return std::make_unique<Histogram<T>>(FindOrMakeStream<internal::HistogramStream>(
      Describe(name, description, unit, InstrumentKind::kHistogram, std::is_integral_v<T>),
      std::shared_ptr<const internal::HistogramShape>(shape)));
}

std::unique_ptr<Histogram<uint64_t>> Meter::CreateUInt64Histogram(std::string_view name,
                                                                  std::string_view description,
                                                                  std::string_view unit,
                                                                  HistogramOptions options) {
  return MakeHistogram<uint64_t>(name, description, unit, std::move(options));
}

std::unique_ptr<Histogram<double>> Meter::CreateDoubleHistogram(std::string_view name,
                                                                std::string_view description,
                                                                std::string_view unit,
                                                                HistogramOptions options) {
  return MakeHistogram<double>(name, description, unit, std::move(options));
}

std::unique_ptr<Gauge<int64_t>> Meter::CreateInt64Gauge(std::string_view name,
                                                        std::string_view description,
                                                        std::string_view unit) {
  return std::make_unique<Gauge<int64_t>>(FindOrMakeStream<internal::GaugeStream<int64_t>>(
      Describe(name, description, unit, InstrumentKind::kGauge, true)));
}

std::unique_ptr<Gauge<double>> Meter::CreateDoubleGauge(std::string_view name,
                                                        std::string_view description,
                                                        std::string_view unit) {
  return std::make_unique<Gauge<double>>(FindOrMakeStream<internal::GaugeStream<double>>(
      Describe(name, description, unit, InstrumentKind::kGauge, false)));
}

template <class T>
std::unique_ptr<ObservableInstrument<T>> Meter::MakeObservable(InstrumentKind kind,
                                                               std::string_view name,
                                                               std::string_view description,
                                                               std::string_view unit) {
  return std::make_unique<ObservableInstrument<T>>(
      FindOrMakeStream<internal::ObservedStream<T>>(
          Describe(name, description, unit, kind, std::is_integral_v<T>)),
      context_.callbacks);
}

Meter::Int64Observable Meter::CreateInt64ObservableCounter(std::string_view name,
                                                           std::string_view description,
                                                           std::string_view unit) {
  return MakeObservable<int64_t>(InstrumentKind::kObservableCounter, name, description, unit);
}
Meter::DoubleObservable Meter::CreateDoubleObservableCounter(std::string_view name,
                                                             std::string_view description,
                                                             std::string_view unit) {
  return MakeObservable<double>(InstrumentKind::kObservableCounter, name, description, unit);
}
Meter::Int64Observable Meter::CreateInt64ObservableUpDownCounter(std::string_view name,
                                                                 std::string_view description,
                                                                 std::string_view unit) {
  return MakeObservable<int64_t>(InstrumentKind::kObservableUpDownCounter, name, description, unit);
}
Meter::DoubleObservable Meter::CreateDoubleObservableUpDownCounter(std::string_view name,
                                                                   std::string_view description,
                                                                   std::string_view unit) {
  return MakeObservable<double>(InstrumentKind::kObservableUpDownCounter, name, description, unit);
}
Meter::Int64Observable Meter::CreateInt64ObservableGauge(std::string_view name,
                                                         std::string_view description,
                                                         std::string_view unit) {
  return MakeObservable<int64_t>(InstrumentKind::kObservableGauge, name, description, unit);
}
Meter::DoubleObservable Meter::CreateDoubleObservableGauge(std::string_view name,
                                                           std::string_view description,
                                                           std::string_view unit) {
  return MakeObservable<double>(InstrumentKind::kObservableGauge, name, description, unit);
}

void Meter::Collect(uint64_t collection, int64_t now_ns, ScopeData& into) {
  into.name = scope_.name;
  into.version = scope_.version;
  into.schema_url = scope_.schema_url;
  std::vector<std::shared_ptr<internal::Stream>> streams;
  {
    base::SharedLock lock(mutex_);
    streams = streams_;
  }
  size_t used = 0;
  for (const auto& stream : streams) {
    if (used == into.metrics.size()) into.metrics.emplace_back();
    MetricData& metric = into.metrics[used];
    Fill(stream->descriptor(), Choose(context_.temporality, stream->descriptor().kind), metric);
    stream->Collect(collection, now_ns, metric);
    if (!metric.numbers.empty() || !metric.histograms.empty()) ++used;
  }
  into.metrics.resize(used);
}

}  // namespace narthex::sdk
