#pragma once

#include <memory>
#include <string>
#include <type_traits>

#include "base/clock.h"
#include "sdk/internal/cells.h"
#include "sdk/internal/series_index.h"
#include "sdk/metric_data.h"

namespace narthex::sdk {

enum class InstrumentKind {
  kCounter,
  kUpDownCounter,
  kHistogram,
  kGauge,
  kObservableCounter,
  kObservableUpDownCounter,
  kObservableGauge,
};

}  // namespace narthex::sdk

namespace narthex::sdk::internal {

struct Descriptor {
  std::string name;
  std::string description;
  std::string unit;
  InstrumentKind kind;
  bool is_int;  // Or else double.

  bool is_monotonic() const {
    return kind == InstrumentKind::kCounter || kind == InstrumentKind::kObservableCounter;
  }
  bool is_gauge() const {
    return kind == InstrumentKind::kGauge || kind == InstrumentKind::kObservableGauge;
  }
};

struct StreamConfig {
  Descriptor descriptor;
  Temporality temporality = Temporality::kCumulative;
  size_t cardinality_limit = 2000;
  uint64_t hash_seed = 0;
  const base::Clock* clock = nullptr;
};

// The storage behind one instrument, shared by its handles and its meter. Measuring is
// thread-safe; Collect is called by one thread at a time.
class Stream {
 public:
  explicit Stream(StreamConfig config);
  virtual ~Stream() = default;

  const Descriptor& descriptor() const { return config_.descriptor; }
  // Appends points; the caller has cleared `into`. `collection` numbers the collections from 1,
  // and `now_ns` is its time.
  virtual void Collect(uint64_t collection, int64_t now_ns, MetricData& into) = 0;

 protected:
  bool is_delta() const { return config_.temporality == Temporality::kDelta; }
  int64_t Now() const { return config_.clock->WallNs(); }

  const StreamConfig config_;
  int64_t last_collected_ns_;  // The start of the next delta interval.
};

// A stream whose series each hold a Cell. Cell(args of MakeCell).
template <class Cell>
class CellStream : public Stream {
 public:
  struct CellSeries final : Series {
    template <class... Args>
    CellSeries(AttributeSet set, int64_t start, const Args&... args)
        : Series(std::move(set)), start_ns(start), cell(args...) {}
    const int64_t start_ns;
    Cell cell;
  };

  template <class... Args>
  explicit CellStream(StreamConfig config, const Args&... args)
      : Stream(std::move(config)),
        index_(config_.cardinality_limit, config_.hash_seed,
               [this, args...](AttributeSet set) -> std::unique_ptr<Series> {
                 return std::make_unique<CellSeries>(std::move(set), Now(), args...);
               }) {}

  Cell& Find(Attributes attributes) {
    return static_cast<CellSeries&>(index_.FindOrAdd(attributes)).cell;
  }

 protected:
  template <class Visit>
  void ForEachSeries(Visit visit) const {
    index_.ForEach([&](Series& series) { visit(static_cast<CellSeries&>(series)); });
  }

 private:
  SeriesIndex index_;
};

template <class T>
class SumStream final : public CellStream<SumCell<T>> {
 public:
  using CellStream<SumCell<T>>::CellStream;
  void Collect(uint64_t collection, int64_t now_ns, MetricData& into) override;
};

template <class T>
class GaugeStream final : public CellStream<LastValueCell<T>> {
 public:
  using CellStream<LastValueCell<T>>::CellStream;
  void Collect(uint64_t collection, int64_t now_ns, MetricData& into) override;
};

// Filled by callbacks during a collection; a series that none of them observes is not reported.
template <class T>
class ObservedStream final : public CellStream<ObservedCell<T>> {
 public:
  using CellStream<ObservedCell<T>>::CellStream;
  void Collect(uint64_t collection, int64_t now_ns, MetricData& into) override;
};

class HistogramStream final : public CellStream<HistogramCell> {
 public:
  HistogramStream(StreamConfig config, std::shared_ptr<const HistogramShape> shape);
  void Collect(uint64_t collection, int64_t now_ns, MetricData& into) override;

 private:
  const std::shared_ptr<const HistogramShape> shape_;
};

}  // namespace narthex::sdk::internal
