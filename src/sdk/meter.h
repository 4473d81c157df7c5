#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "sdk/instruments.h"
#include "sdk/metric_data.h"
#include "sdk/view.h"

namespace narthex::sdk {

// What one reader wants of a provider.
struct ReaderOptions {
  TemporalityPreference temporality = TemporalityPreference::kCumulative;
  // Of histograms without a view: explicit buckets or exponential.
  Aggregation histogram_aggregation = Aggregation::kExplicitBucketHistogram;
};

struct HistogramOptions {
  // Upper bounds of the buckets, inclusive, ascending. Absent: 0, 5, 10 … 10000, which suit
  // milliseconds.
  std::optional<std::vector<double>> boundaries;
};

// Makes instruments under one scope name. Thread-safe. The same instrument asked for twice is one;
// asked for with another kind, unit or description it is a second one of that name, with a warning.
// A name that the specification forbids gives an instrument that works and reports nothing.
class Meter {
 public:
  std::unique_ptr<Counter<uint64_t>> CreateUInt64Counter(std::string_view name,
                                                         std::string_view description = "",
                                                         std::string_view unit = "");
  std::unique_ptr<Counter<double>> CreateDoubleCounter(std::string_view name,
                                                       std::string_view description = "",
                                                       std::string_view unit = "");
  std::unique_ptr<UpDownCounter<int64_t>> CreateInt64UpDownCounter(
      std::string_view name, std::string_view description = "", std::string_view unit = "");
  std::unique_ptr<UpDownCounter<double>> CreateDoubleUpDownCounter(
      std::string_view name, std::string_view description = "", std::string_view unit = "");
  std::unique_ptr<Histogram<uint64_t>> CreateUInt64Histogram(std::string_view name,
                                                             std::string_view description = "",
                                                             std::string_view unit = "",
                                                             HistogramOptions options = {});
  std::unique_ptr<Histogram<double>> CreateDoubleHistogram(std::string_view name,
                                                           std::string_view description = "",
                                                           std::string_view unit = "",
                                                           HistogramOptions options = {});
  std::unique_ptr<Gauge<int64_t>> CreateInt64Gauge(std::string_view name,
                                                   std::string_view description = "",
                                                   std::string_view unit = "");
  std::unique_ptr<Gauge<double>> CreateDoubleGauge(std::string_view name,
                                                   std::string_view description = "",
                                                   std::string_view unit = "");

  using Int64Observable = std::unique_ptr<ObservableInstrument<int64_t>>;
  using DoubleObservable = std::unique_ptr<ObservableInstrument<double>>;
  Int64Observable CreateInt64ObservableCounter(std::string_view name,
                                               std::string_view description = "",
                                               std::string_view unit = "");
  DoubleObservable CreateDoubleObservableCounter(std::string_view name,
                                                 std::string_view description = "",
                                                 std::string_view unit = "");
  Int64Observable CreateInt64ObservableUpDownCounter(std::string_view name,
                                                     std::string_view description = "",
                                                     std::string_view unit = "");
  DoubleObservable CreateDoubleObservableUpDownCounter(std::string_view name,
                                                       std::string_view description = "",
                                                       std::string_view unit = "");
  Int64Observable CreateInt64ObservableGauge(std::string_view name,
                                             std::string_view description = "",
                                             std::string_view unit = "");
  DoubleObservable CreateDoubleObservableGauge(std::string_view name,
                                               std::string_view description = "",
                                               std::string_view unit = "");

  // What a provider gives its meters.
  struct Context {
    const base::Clock& clock;
    base::Logger& logger;
    std::vector<ReaderOptions> readers;
    std::vector<View> views;
    ExemplarFilter exemplars;
    size_t cardinality_limit;
    uint64_t hash_seed;
    std::shared_ptr<internal::CallbackRegistry> callbacks;
  };
  struct Scope {
    std::string name;
    std::string version;
    std::string schema_url;
    AttributeSet attributes;
    bool operator==(const Scope&) const = default;
  };
  Meter(Scope scope, Context context);

  const Scope& scope() const { return scope_; }
  // For the provider: fills `into` with what `reader` reads, reusing what it holds.
  void Collect(size_t reader, int64_t now_ns, ScopeData& into);

 private:
  // What was asked for under one name, kind, unit and description.
  struct Instrument {
    internal::Descriptor descriptor;
    std::shared_ptr<const void> recorder;
    std::vector<std::shared_ptr<internal::Stream>> streams;
  };

  template <template <class> class Handle, class T>
  std::unique_ptr<Handle<T>> Make(InstrumentKind kind, std::string_view name,
                                  std::string_view description, std::string_view unit,
                                  const HistogramOptions& options = {});
  template <class T>
  std::unique_ptr<ObservableInstrument<T>> MakeObservable(InstrumentKind kind,
                                                          std::string_view name,
                                                          std::string_view description,
                                                          std::string_view unit);
  template <class T, class Plain>
  std::shared_ptr<const internal::Recorder<T, Plain>> FindOrMakeRecorder(
      internal::Descriptor descriptor, const HistogramOptions& options);
  bool Selects(const InstrumentSelector& selector, const internal::Descriptor& descriptor) const;

  const Scope scope_;
  const Context context_;
  base::Mutex mutex_;
  std::vector<Instrument> instruments_ GUARDED_BY(mutex_);
};

}  // namespace narthex::sdk
