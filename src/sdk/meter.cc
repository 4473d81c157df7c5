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

std::vector<double> Bounds(const std::optional<std::vector<double>>& boundaries) {
  if (!boundaries.has_value()) {
    return {0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  }
  std::vector<double> bounds = *boundaries;
  std::erase_if(bounds, [](double bound) { return !std::isfinite(bound); });
  std::ranges::sort(bounds);
  bounds.erase(std::ranges::unique(bounds).begin(), bounds.end());
  return bounds;
}

Aggregation Resolve(Aggregation aggregation, InstrumentKind kind, const ReaderOptions& reader) {
  if (aggregation != Aggregation::kDefault) return aggregation;
  switch (kind) {
    case InstrumentKind::kHistogram:
      return reader.histogram_aggregation;
    case InstrumentKind::kGauge:
    case InstrumentKind::kObservableGauge:
      return Aggregation::kLastValue;
    default:
      return Aggregation::kSum;
  }
}

DataKind DataKindOf(Aggregation aggregation) {
  switch (aggregation) {
    case Aggregation::kExplicitBucketHistogram:
      return DataKind::kHistogram;
    case Aggregation::kBase2ExponentialHistogram:
      return DataKind::kExponentialHistogram;
    case Aggregation::kLastValue:
      return DataKind::kGauge;
    default:
      return DataKind::kSum;
  }
}

template <class T>
inline constexpr bool kIsObserved = false;
template <class T>
inline constexpr bool kIsObserved<internal::ObservedStream<T>> = true;

// Makes the streams of one instrument, whose values are of type T and whose usual stream is Plain.
template <class T, class Plain>
class Outlets {
 public:
  using Outlet = typename internal::Recorder<T, Plain>::Outlet;

  void Add(internal::StreamConfig config, const View& view, Aggregation aggregation,
           const HistogramOptions& options) {
    const bool is_delta = config.temporality == Temporality::kDelta;
    switch (aggregation) {
      case Aggregation::kExplicitBucketHistogram: {
        auto shape = std::make_shared<internal::HistogramShape>();
        shape->bounds = Bounds(view.boundaries.has_value() ? view.boundaries : options.boundaries);
        shape->is_delta = is_delta;
        shape->record_min_max = view.record_min_max;
        return Put<internal::HistogramStream>(
            std::move(config), std::shared_ptr<const internal::HistogramShape>(shape));
      }
      case Aggregation::kBase2ExponentialHistogram: {
        auto shape = std::make_shared<internal::ExponentialShape>();
        shape->max_size = std::clamp<size_t>(view.max_size, 2, 16384);
        shape->max_scale = std::clamp(view.max_scale, -10, 20);
        shape->is_delta = is_delta;
        shape->record_min_max = view.record_min_max;
        return Put<internal::ExponentialStream>(
            std::move(config), std::shared_ptr<const internal::ExponentialShape>(shape));
      }
      default:
        if constexpr (kIsObserved<Plain>) {
          return Put<Plain>(std::move(config));
        } else if (aggregation == Aggregation::kLastValue) {
          return Put<internal::GaugeStream<T>>(std::move(config));
        } else {
          return Put<internal::SumStream<T>>(std::move(config));
        }
    }
  }
  std::vector<Outlet> Take() { return std::move(outlets_); }

 private:
  template <class S, class... Args>
  void Put(internal::StreamConfig config, const Args&... args) {
    auto stream = std::make_shared<S>(std::move(config), args...);
    outlets_.push_back({stream, std::make_unique<internal::StreamSink<T, S>>(stream)});
  }

  std::vector<Outlet> outlets_;
};

void Fill(const internal::StreamConfig& config, MetricData& into) {
  into.name = config.descriptor.name;
  into.description = config.descriptor.description;
  into.unit = config.descriptor.unit;
  into.kind = config.data_kind;
  into.temporality = config.temporality;
  into.is_monotonic = config.data_kind == DataKind::kSum && config.descriptor.is_monotonic();
  into.has_min_max = true;
  into.numbers.clear();
  into.histograms.clear();
  into.exponentials.clear();
  into.bounds = {};
  into.bucket_counts.clear();
  into.exemplars.clear();
}

}  // namespace

template <class T>
void ObservableInstrument<T>::AddCallback(Callback callback) {
  callbacks_->Add(this, [recorder = recorder_, run = std::move(callback)](size_t reader) {
    ObserverResult<T> result(*recorder, reader);
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

bool Meter::Selects(const InstrumentSelector& selector, const Descriptor& descriptor) const {
  const auto fits = [](const std::optional<std::string>& wanted, const std::string& actual) {
    return !wanted.has_value() || *wanted == actual;
  };
  return MatchesWildcard(selector.name, descriptor.name) &&
         (!selector.kind.has_value() || *selector.kind == descriptor.kind) &&
         fits(selector.unit, descriptor.unit) && fits(selector.meter_name, scope_.name) &&
         fits(selector.meter_version, scope_.version) &&
         fits(selector.meter_schema_url, scope_.schema_url);
}

template <class T, class Plain>
std::shared_ptr<const internal::Recorder<T, Plain>> Meter::FindOrMakeRecorder(
    Descriptor descriptor, const HistogramOptions& options) {
  using Recorder = internal::Recorder<T, Plain>;
  if (!IsInstrumentName(descriptor.name)) {
    context_.logger.Warn("sdk", "invalid instrument name, its measurements are dropped",
                         {{"name", descriptor.name}});
    return std::make_shared<Recorder>(std::vector<typename Recorder::Outlet>());
  }
  base::MutexLock lock(mutex_);
  for (const Instrument& instrument : instruments_) {
    if (!EqualIgnoringCase(instrument.descriptor.name, descriptor.name)) continue;
    descriptor.name = instrument.descriptor.name;  // The first spelling wins.
    if (IsSame(instrument.descriptor, descriptor)) {
      return std::static_pointer_cast<const Recorder>(instrument.recorder);
    }
    context_.logger.Warn("sdk", "instrument registered twice with different descriptions",
                         {{"name", descriptor.name}, {"meter", scope_.name}});
  }

  std::vector<View> views;
  for (const View& view : context_.views) {
    if (Selects(view.selector, descriptor)) views.push_back(view);
  }
  if (views.empty()) views.emplace_back();
  Outlets<T, Plain> outlets;
  for (size_t reader = 0; reader < context_.readers.size(); ++reader) {
    for (const View& view : views) {
      const Aggregation aggregation =
          Resolve(view.aggregation, descriptor.kind, context_.readers[reader]);
      if (aggregation == Aggregation::kDrop) continue;
      internal::StreamConfig config{
          .descriptor = descriptor,
          .data_kind = DataKindOf(aggregation),
          .temporality = Choose(context_.readers[reader].temporality, descriptor.kind),
          .reader = reader,
          .attributes = view.attributes,
          .exemplars = context_.exemplars,
          .cardinality_limit = view.cardinality_limit != 0
                                   ? std::max<size_t>(view.cardinality_limit, 2)
                                   : context_.cardinality_limit,
          .hash_seed = context_.hash_seed,
          .clock = &context_.clock};
      if (!view.name.empty()) config.descriptor.name = view.name;
      if (!view.description.empty()) config.descriptor.description = view.description;
      outlets.Add(std::move(config), view, aggregation, options);
    }
  }
  auto recorder = std::make_shared<const Recorder>(outlets.Take());
  std::vector<std::shared_ptr<internal::Stream>> streams;
  for (const auto& outlet : recorder->outlets()) streams.push_back(outlet.stream);
  instruments_.push_back({std::move(descriptor), recorder, std::move(streams)});
  return recorder;
}

template <template <class> class Handle, class T>
std::unique_ptr<Handle<T>> Meter::Make(InstrumentKind kind, std::string_view name,
                                       std::string_view description, std::string_view unit,
                                       const HistogramOptions& options) {
  using Recorder = typename Handle<T>::Recorder;
  return std::make_unique<Handle<T>>(FindOrMakeRecorder<T, typename Recorder::PlainStream>(
      Describe(name, description, unit, kind, std::is_integral_v<T>), options));
}

std::unique_ptr<Counter<uint64_t>> Meter::CreateUInt64Counter(std::string_view name,
                                                              std::string_view description,
                                                              std::string_view unit) {
  return Make<Counter, uint64_t>(InstrumentKind::kCounter, name, description, unit);
}

std::unique_ptr<Counter<double>> Meter::CreateDoubleCounter(std::string_view name,
                                                            std::string_view description,
                                                            std::string_view unit) {
  return Make<Counter, double>(InstrumentKind::kCounter, name, description, unit);
}

std::unique_ptr<UpDownCounter<int64_t>> Meter::CreateInt64UpDownCounter(
    std::string_view name, std::string_view description, std::string_view unit) {
  return Make<UpDownCounter, int64_t>(InstrumentKind::kUpDownCounter, name, description, unit);
}

std::unique_ptr<UpDownCounter<double>> Meter::CreateDoubleUpDownCounter(
    std::string_view name, std::string_view description, std::string_view unit) {
  return Make<UpDownCounter, double>(InstrumentKind::kUpDownCounter, name, description, unit);
}

std::unique_ptr<Histogram<uint64_t>> Meter::CreateUInt64Histogram(std::string_view name,
                                                                  std::string_view description,
                                                                  std::string_view unit,
                                                                  HistogramOptions options) {
  return Make<Histogram, uint64_t>(InstrumentKind::kHistogram, name, description, unit, options);
}

std::unique_ptr<Histogram<double>> Meter::CreateDoubleHistogram(std::string_view name,
                                                                std::string_view description,
                                                                std::string_view unit,
                                                                HistogramOptions options) {
  return Make<Histogram, double>(InstrumentKind::kHistogram, name, description, unit, options);
}

std::unique_ptr<Gauge<int64_t>> Meter::CreateInt64Gauge(std::string_view name,
                                                        std::string_view description,
                                                        std::string_view unit) {
  return Make<Gauge, int64_t>(InstrumentKind::kGauge, name, description, unit);
}

std::unique_ptr<Gauge<double>> Meter::CreateDoubleGauge(std::string_view name,
                                                        std::string_view description,
                                                        std::string_view unit) {
  return Make<Gauge, double>(InstrumentKind::kGauge, name, description, unit);
}

template <class T>
std::unique_ptr<ObservableInstrument<T>> Meter::MakeObservable(InstrumentKind kind,
                                                               std::string_view name,
                                                               std::string_view description,
                                                               std::string_view unit) {
  return std::make_unique<ObservableInstrument<T>>(
      FindOrMakeRecorder<T, internal::ObservedStream<T>>(
          Describe(name, description, unit, kind, std::is_integral_v<T>), {}),
      context_.callbacks);
}

Meter::Int64Observable Meter::CreateInt64ObservableCounter(std::string_view name,
                                                           std::string_view description,
                                                           std::string_view unit) {
  return MakeObservable<int64_t>(InstrumentKind::kObservableCounter, name, description, unit);
}
Meter::Int64Observable Meter::CreateInt64ObservableUpDownCounter(std::string_view name,
                                                                 std::string_view description,
                                                                 std::string_view unit) {
  return MakeObservable<int64_t>(InstrumentKind::kObservableUpDownCounter, name, description, unit);
}
Meter::Int64Observable Meter::CreateInt64ObservableGauge(std::string_view name,
                                                         std::string_view description,
                                                         std::string_view unit) {
  return MakeObservable<int64_t>(InstrumentKind::kObservableGauge, name, description, unit);
}
Meter::DoubleObservable Meter::CreateDoubleObservableCounter(std::string_view name,
                                                             std::string_view description,
                                                             std::string_view unit) {
  return MakeObservable<double>(InstrumentKind::kObservableCounter, name, description, unit);
}
Meter::DoubleObservable Meter::CreateDoubleObservableUpDownCounter(std::string_view name,
                                                                   std::string_view description,
                                                                   std::string_view unit) {
  return MakeObservable<double>(InstrumentKind::kObservableUpDownCounter, name, description, unit);
}
Meter::DoubleObservable Meter::CreateDoubleObservableGauge(std::string_view name,
                                                           std::string_view description,
                                                           std::string_view unit) {
  return MakeObservable<double>(InstrumentKind::kObservableGauge, name, description, unit);
}

void Meter::Collect(size_t reader, int64_t now_ns, ScopeData& into) {
  into.name = scope_.name;
  into.version = scope_.version;
  into.schema_url = scope_.schema_url;
  into.attributes = &scope_.attributes;
  std::vector<std::shared_ptr<internal::Stream>> streams;
  {
    base::SharedLock lock(mutex_);
    for (const Instrument& instrument : instruments_) {
      for (const auto& stream : instrument.streams) {
        if (stream->config().reader == reader) streams.push_back(stream);
      }
    }
  }
  size_t used = 0;
  for (const auto& stream : streams) {
    if (used == into.metrics.size()) into.metrics.emplace_back();
    MetricData& metric = into.metrics[used];
    Fill(stream->config(), metric);
    stream->Collect(now_ns, metric);
    if (!metric.empty()) ++used;
  }
  into.metrics.resize(used);
}

}  // namespace narthex::sdk
