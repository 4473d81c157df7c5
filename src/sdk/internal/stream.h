#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <type_traits>

#include "base/clock.h"
#include "sdk/internal/cells.h"
#include "sdk/internal/reservoir.h"
#include "sdk/internal/series_index.h"
#include "sdk/metric_data.h"
#include "sdk/view.h"

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
  Descriptor descriptor;  // Name and description as the view has them.
  DataKind data_kind = DataKind::kSum;
  Temporality temporality = Temporality::kCumulative;
  size_t reader = 0;  // The one that collects it.
  AttributeFilter attributes;
  ExemplarFilter exemplars = ExemplarFilter::kTraceBased;
  size_t cardinality_limit = 2000;
  uint64_t hash_seed = 0;
  const base::Clock* clock = nullptr;
};

// What one view makes of one instrument for one reader. Recording is thread-safe; Collect is
// called by one thread at a time.
class Stream {
 public:
  explicit Stream(StreamConfig config);
  virtual ~Stream() = default;

  const StreamConfig& config() const { return config_; }
  const Descriptor& descriptor() const { return config_.descriptor; }
  // Appends points; the caller has cleared `into`. `now_ns` is the collection's time.
  virtual void Collect(int64_t now_ns, MetricData& into) = 0;

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
  using CellType = Cell;
  using Value = typename Cell::Value;

  struct CellSeries final : Series {
    template <class... Args>
    CellSeries(AttributeSet set, int64_t start, const Args&... args)
        : Series(std::move(set)), start_ns(start), cell(args...) {}
    ~CellSeries() override { delete reservoir.load(std::memory_order_relaxed); }

    const int64_t start_ns;
    Cell cell;
    std::atomic<Reservoir*> reservoir{nullptr};  // Made for the first exemplar.
  };

  template <class... Args>
  explicit CellStream(StreamConfig config, const Args&... args)
      : Stream(std::move(config)),
        index_(config_.cardinality_limit, config_.hash_seed,
               [this, args...](AttributeSet set) -> std::unique_ptr<Series> {
                 return std::make_unique<CellSeries>(std::move(set), Now(), args...);
               }) {}

  CellSeries& FindSeries(Attributes attributes) {
    return static_cast<CellSeries&>(index_.FindOrAdd(attributes));
  }
  Cell& Find(Attributes attributes) { return FindSeries(attributes).cell; }

  // Keeps a measurement as an example of its series. `dropped` are the attributes that tell no
  // series apart.
  void OfferExemplar(CellSeries& series, Value value, Attributes dropped) {
    Exemplar exemplar{.time_ns = Now(),
                      .value = static_cast<double>(value),
                      .has_span = active_span != nullptr,
                      .span = active_span != nullptr ? *active_span : SpanContext{},
                      .filtered_attributes = OwnedAttributes(dropped)};
    Reservoir& reservoir = ReservoirOf(series);
    if constexpr (std::is_same_v<Cell, HistogramCell>) {
      reservoir.OfferTo(series.cell.BucketOf(value), std::move(exemplar));
    } else {
      reservoir.Offer(std::move(exemplar));
    }
  }

 protected:
  template <class Visit>
  void ForEachSeries(Visit visit) const {
    index_.ForEach([&](Series& series) { visit(static_cast<CellSeries&>(series)); });
  }
  static ExemplarRange TakeExemplars(CellSeries& series, MetricData& into) {
    const size_t first = into.exemplars.size();
    if (Reservoir* reservoir = series.reservoir.load(std::memory_order_acquire)) {
      reservoir->Take(into.exemplars);
    }
    return {first, into.exemplars.size() - first};
  }

 private:
  Reservoir& ReservoirOf(CellSeries& series) {
    Reservoir* reservoir = series.reservoir.load(std::memory_order_acquire);
    if (reservoir == nullptr) {
      auto fresh = std::make_unique<Reservoir>(series.cell.exemplar_slots(),
                                               config_.hash_seed ^ static_cast<uint64_t>(Now()));
      if (series.reservoir.compare_exchange_strong(reservoir, fresh.get(),
                                                   std::memory_order_acq_rel)) {
        reservoir = fresh.release();
      }
    }
    return *reservoir;
  }

  SeriesIndex index_;
};

template <class T>
class SumStream final : public CellStream<SumCell<T>> {
 public:
  using CellStream<SumCell<T>>::CellStream;
  void Collect(int64_t now_ns, MetricData& into) override;
};

template <class T>
class GaugeStream final : public CellStream<LastValueCell<T>> {
 public:
  using CellStream<LastValueCell<T>>::CellStream;
  void Collect(int64_t now_ns, MetricData& into) override;
};

// Filled by callbacks during a collection; a series that none of them observes is not reported.
template <class T>
class ObservedStream final : public CellStream<ObservedCell<T>> {
 public:
  explicit ObservedStream(StreamConfig config);
  void Collect(int64_t now_ns, MetricData& into) override;
};

class HistogramStream final : public CellStream<HistogramCell> {
 public:
  HistogramStream(StreamConfig config, std::shared_ptr<const HistogramShape> shape);
  void Collect(int64_t now_ns, MetricData& into) override;

 private:
  const std::shared_ptr<const HistogramShape> shape_;
};

class ExponentialStream final : public CellStream<ExponentialCell> {
 public:
  ExponentialStream(StreamConfig config, std::shared_ptr<const ExponentialShape> shape);
  void Collect(int64_t now_ns, MetricData& into) override;

 private:
  const std::shared_ptr<const ExponentialShape> shape_;
};

}  // namespace narthex::sdk::internal
