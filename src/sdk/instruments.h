#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

#include "sdk/attributes.h"
#include "sdk/internal/stream.h"

// What a program measures with; made by a Meter. All handles are thread-safe, neither lock nor
// allocate once a series is known, never fail, and may outlive their MeterProvider.
//
//   auto requests = meter->CreateUInt64Counter("http.requests", "Requests served", "{request}");
//   requests->Add(1, {{"method", "GET"}, {"status", 200}});
//   auto health = requests->Bind({{"method", "GET"}, {"endpoint", "/health"}});
//   health.Add(1);  // The attributes are already resolved: a few nanoseconds.
namespace narthex::sdk {
namespace internal {

// Values that the specification forbids: they are ignored rather than counted.
template <class T>
bool IsNonNegative(T value) {
  if constexpr (std::is_floating_point_v<T>) return value >= 0 && std::isfinite(value);
  return true;
}
template <class T>
bool IsFinite(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::isfinite(value);
  return true;
}

// A cell of a stream, kept alive.
template <class Stream, class Cell>
class BoundCell {
 public:
  BoundCell(std::shared_ptr<Stream> stream, Attributes attributes)
      : stream_(std::move(stream)), cell_(&stream_->Find(attributes)) {}

 protected:
  Cell& cell() { return *cell_; }

 private:
  std::shared_ptr<Stream> stream_;
  Cell* cell_;
};

}  // namespace internal

template <class T>
class BoundCounter : internal::BoundCell<internal::SumStream<T>, internal::SumCell<T>> {
 public:
  using BoundCounter::BoundCell::BoundCell;
  // Ignores what is negative or not finite.
  void Add(T value) {
    if (internal::IsNonNegative(value)) this->cell().Add(value);
  }
};

// A sum that only grows. T: uint64_t or double.
template <class T>
class Counter {
 public:
  explicit Counter(std::shared_ptr<internal::SumStream<T>> stream) : stream_(std::move(stream)) {}

  // Ignores what is negative or not finite.
  void Add(T value, Attributes attributes) {
    if (internal::IsNonNegative(value)) stream_->Find(attributes).Add(value);
  }
  void Add(T value, AttributeList attributes) { Add(value, Span(attributes)); }
  void Add(T value) { Add(value, Attributes()); }

  BoundCounter<T> Bind(Attributes attributes) { return BoundCounter<T>(stream_, attributes); }
  BoundCounter<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

 private:
  const std::shared_ptr<internal::SumStream<T>> stream_;
};

template <class T>
class BoundUpDownCounter : internal::BoundCell<internal::SumStream<T>, internal::SumCell<T>> {
 public:
  using BoundUpDownCounter::BoundCell::BoundCell;
  void Add(T value) {
    if (internal::IsFinite(value)) this->cell().Add(value);
  }
};

// A sum that goes both ways. T: int64_t or double.
template <class T>
class UpDownCounter {
 public:
  explicit UpDownCounter(std::shared_ptr<internal::SumStream<T>> stream)
      : stream_(std::move(stream)) {}

  void Add(T value, Attributes attributes) {
    if (internal::IsFinite(value)) stream_->Find(attributes).Add(value);
  }
  void Add(T value, AttributeList attributes) { Add(value, Span(attributes)); }
  void Add(T value) { Add(value, Attributes()); }

  BoundUpDownCounter<T> Bind(Attributes attributes) {
    return BoundUpDownCounter<T>(stream_, attributes);
  }
  BoundUpDownCounter<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

 private:
  const std::shared_ptr<internal::SumStream<T>> stream_;
};

template <class T>
class BoundHistogram : internal::BoundCell<internal::HistogramStream, internal::HistogramCell> {
 public:
  using BoundHistogram::BoundCell::BoundCell;
  // Ignores what is negative or not finite.
  void Record(T value) {
    if (internal::IsNonNegative(value)) this->cell().Record(static_cast<double>(value));
  }
};

// A distribution. T: uint64_t or double.
template <class T>
class Histogram {
 public:
  explicit Histogram(std::shared_ptr<internal::HistogramStream> stream)
      : stream_(std::move(stream)) {}

  // Ignores what is negative or not finite.
  void Record(T value, Attributes attributes) {
    if (internal::IsNonNegative(value))
      stream_->Find(attributes).Record(static_cast<double>(value));
  }
  void Record(T value, AttributeList attributes) { Record(value, Span(attributes)); }
  void Record(T value) { Record(value, Attributes()); }

  BoundHistogram<T> Bind(Attributes attributes) { return BoundHistogram<T>(stream_, attributes); }
  BoundHistogram<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

 private:
  const std::shared_ptr<internal::HistogramStream> stream_;
};

template <class T>
class BoundGauge : internal::BoundCell<internal::GaugeStream<T>, internal::LastValueCell<T>> {
 public:
  using BoundGauge::BoundCell::BoundCell;
  void Record(T value) { this->cell().Record(value); }
};

// A value that is replaced. T: int64_t or double.
template <class T>
class Gauge {
 public:
  explicit Gauge(std::shared_ptr<internal::GaugeStream<T>> stream) : stream_(std::move(stream)) {}

  void Record(T value, Attributes attributes) { stream_->Find(attributes).Record(value); }
  void Record(T value, AttributeList attributes) { Record(value, Span(attributes)); }
  void Record(T value) { Record(value, Attributes()); }

  BoundGauge<T> Bind(Attributes attributes) { return BoundGauge<T>(stream_, attributes); }
  BoundGauge<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

 private:
  const std::shared_ptr<internal::GaugeStream<T>> stream_;
};

// What a callback reports into. Only for the duration of the call.
template <class T>
class ObserverResult {
 public:
  ObserverResult(internal::ObservedStream<T>& stream, uint64_t collection)
      : stream_(stream), collection_(collection) {}

  // The present value; for counters the total since the start. Of several for one attribute set
  // the last counts.
  void Observe(T value, Attributes attributes) {
    internal::ObservedCell<T>& cell = stream_.Find(attributes);
    cell.value = value;
    cell.collection = collection_;
  }
  void Observe(T value, AttributeList attributes) { Observe(value, Span(attributes)); }
  void Observe(T value) { Observe(value, Attributes()); }

 private:
  internal::ObservedStream<T>& stream_;
  const uint64_t collection_;
};

namespace internal {
class CallbackRegistry;
}

// An instrument that is asked when a collection happens. T: int64_t or double.
template <class T>
class ObservableInstrument {
 public:
  using Callback = std::function<void(ObserverResult<T>&)>;

  ObservableInstrument(std::shared_ptr<internal::ObservedStream<T>> stream,
                       std::shared_ptr<internal::CallbackRegistry> callbacks)
      : stream_(std::move(stream)), callbacks_(std::move(callbacks)) {}
  ~ObservableInstrument() { RemoveCallbacks(); }
  ObservableInstrument(const ObservableInstrument&) = delete;
  ObservableInstrument& operator=(const ObservableInstrument&) = delete;

  // Runs once per collection, on the collecting thread. It must not add or remove callbacks.
  void AddCallback(Callback callback);
  // After this no callback of this instrument runs any more. The destructor does the same.
  void RemoveCallbacks();

 private:
  const std::shared_ptr<internal::ObservedStream<T>> stream_;
  const std::shared_ptr<internal::CallbackRegistry> callbacks_;
};

}  // namespace narthex::sdk
