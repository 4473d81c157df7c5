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

namespace narthex::sdk {

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
    TemporalityPreference temporality;
    size_t cardinality_limit;
    uint64_t hash_seed;
    std::shared_ptr<internal::CallbackRegistry> callbacks;
  };
  struct Scope {
    std::string name;
    std::string version;
    std::string schema_url;
    bool operator==(const Scope&) const = default;
  };
  Meter(Scope scope, Context context);

  const Scope& scope() const { return scope_; }
  // For the provider: fills `into`, reusing what it holds.
  void Collect(uint64_t collection, int64_t now_ns, ScopeData& into);

 private:
  template <class Stream, class... Args>
  std::shared_ptr<Stream> FindOrMakeStream(internal::Descriptor descriptor, const Args&... args);
  template <class T>
  std::unique_ptr<ObservableInstrument<T>> MakeObservable(InstrumentKind kind,
                                                          std::string_view name,
                                                          std::string_view description,
                                                          std::string_view unit);
  template <class T>
  std::unique_ptr<Histogram<T>> MakeHistogram(std::string_view name, std::string_view description,
                                              std::string_view unit, HistogramOptions options);

  const Scope scope_;
  const Context context_;
  base::Mutex mutex_;
  std::vector<std::shared_ptr<internal::Stream>> streams_ GUARDED_BY(mutex_);
};

}  // namespace narthex::sdk
