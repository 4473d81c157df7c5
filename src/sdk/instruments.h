#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

#include "sdk/attributes.h"
#include "sdk/internal/recorder.h"

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

}  // namespace internal

template <class T>
class BoundCounter {
 public:
  explicit BoundCounter(internal::BoundRecorder<T, internal::SumStream<T>> recorder)
      : recorder_(std::move(recorder)) {}
  // Ignores what is negative or not finite.
  void Add(T value) {
    if (internal::IsNonNegative(value)) recorder_.Record(value);
  }

 private:
  internal::BoundRecorder<T, internal::SumStream<T>> recorder_;
};

// A sum that only grows. T: uint64_t or double.
template <class T>
class Counter {
 public:
  using Recorder = internal::Recorder<T, internal::SumStream<T>>;
  explicit Counter(std::shared_ptr<const Recorder> recorder) : recorder_(std::move(recorder)) {}

  // Ignores what is negative or not finite.
  void Add(T value, Attributes attributes) {
    if (internal::IsNonNegative(value)) recorder_->Record(value, attributes);
  }
  void Add(T value, AttributeList attributes) { Add(value, Span(attributes)); }
  void Add(T value) { Add(value, Attributes()); }

  BoundCounter<T> Bind(Attributes attributes) {
    return BoundCounter<T>(
        internal::BoundRecorder<T, internal::SumStream<T>>(recorder_, attributes));
  }
  BoundCounter<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

  // False where nothing comes of measurements, so that they need not be made.
  bool Enabled() const { return recorder_->is_enabled(); }

 private:
  const std::shared_ptr<const Recorder> recorder_;
};

template <class T>
class BoundUpDownCounter {
 public:
  explicit BoundUpDownCounter(internal::BoundRecorder<T, internal::SumStream<T>> recorder)
      : recorder_(std::move(recorder)) {}
  // Ignores what is not finite.
  void Add(T value) {
    if (internal::IsFinite(value)) recorder_.Record(value);
  }

 private:
  internal::BoundRecorder<T, internal::SumStream<T>> recorder_;
};

// A sum that goes both ways. T: int64_t or double.
template <class T>
class UpDownCounter {
 public:
  using Recorder = internal::Recorder<T, internal::SumStream<T>>;
  explicit UpDownCounter(std::shared_ptr<const Recorder> recorder)
      : recorder_(std::move(recorder)) {}

  // Ignores what is not finite.
  void Add(T value, Attributes attributes) {
    if (internal::IsFinite(value)) recorder_->Record(value, attributes);
  }
  void Add(T value, AttributeList attributes) { Add(value, Span(attributes)); }
  void Add(T value) { Add(value, Attributes()); }

  BoundUpDownCounter<T> Bind(Attributes attributes) {
    return BoundUpDownCounter<T>(
        internal::BoundRecorder<T, internal::SumStream<T>>(recorder_, attributes));
  }
  BoundUpDownCounter<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

  // False where nothing comes of measurements, so that they need not be made.
  bool Enabled() const { return recorder_->is_enabled(); }

 private:
  const std::shared_ptr<const Recorder> recorder_;
};

template <class T>
class BoundHistogram {
 public:
  explicit BoundHistogram(internal::BoundRecorder<T, internal::HistogramStream> recorder)
      : recorder_(std::move(recorder)) {}
  // Ignores what is negative or not finite.
  void Record(T value) {
    if (internal::IsNonNegative(value)) recorder_.Record(value);
  }

 private:
  internal::BoundRecorder<T, internal::HistogramStream> recorder_;
};

// A distribution. T: uint64_t or double.
template <class T>
class Histogram {
 public:
  using Recorder = internal::Recorder<T, internal::HistogramStream>;
  explicit Histogram(std::shared_ptr<const Recorder> recorder) : recorder_(std::move(recorder)) {}

  // Ignores what is negative or not finite.
  void Record(T value, Attributes attributes) {
    if (internal::IsNonNegative(value)) recorder_->Record(value, attributes);
  }
  void Record(T value, AttributeList attributes) { Record(value, Span(attributes)); }
  void Record(T value) { Record(value, Attributes()); }

  BoundHistogram<T> Bind(Attributes attributes) {
    return BoundHistogram<T>(
        internal::BoundRecorder<T, internal::HistogramStream>(recorder_, attributes));
  }
  BoundHistogram<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

  // False where nothing comes of measurements, so that they need not be made.
  bool Enabled() const { return recorder_->is_enabled(); }

 private:
  const std::shared_ptr<const Recorder> recorder_;
};

template <class T>
class BoundGauge {
 public:
  explicit BoundGauge(internal::BoundRecorder<T, internal::GaugeStream<T>> recorder)
      : recorder_(std::move(recorder)) {}
  void Record(T value) { recorder_.Record(value); }

 private:
  internal::BoundRecorder<T, internal::GaugeStream<T>> recorder_;
};

// A value that is replaced. T: int64_t or double.
template <class T>
class Gauge {
 public:
  using Recorder = internal::Recorder<T, internal::GaugeStream<T>>;
  explicit Gauge(std::shared_ptr<const Recorder> recorder) : recorder_(std::move(recorder)) {}

  void Record(T value, Attributes attributes) { recorder_->Record(value, attributes); }
  void Record(T value, AttributeList attributes) { Record(value, Span(attributes)); }
  void Record(T value) { Record(value, Attributes()); }

  BoundGauge<T> Bind(Attributes attributes) {
    return BoundGauge<T>(
        internal::BoundRecorder<T, internal::GaugeStream<T>>(recorder_, attributes));
  }
  BoundGauge<T> Bind(AttributeList attributes) { return Bind(Span(attributes)); }

  // False where nothing comes of measurements, so that they need not be made.
  bool Enabled() const { return recorder_->is_enabled(); }

 private:
  const std::shared_ptr<const Recorder> recorder_;
};

// What a callback reports into. Only for the duration of the call.
template <class T>
class ObserverResult {
 public:
  using Recorder = internal::Recorder<T, internal::ObservedStream<T>>;
  ObserverResult(const Recorder& recorder, size_t reader) : recorder_(recorder), reader_(reader) {}

  // The present value; for counters the total since the start. Of several for one attribute set
  // the last counts.
  void Observe(T value, Attributes attributes) { recorder_.RecordFor(reader_, value, attributes); }
  void Observe(T value, AttributeList attributes) { Observe(value, Span(attributes)); }
  void Observe(T value) { Observe(value, Attributes()); }

 private:
  const Recorder& recorder_;
  const size_t reader_;
};

namespace internal {
class CallbackRegistry;
}

// An instrument that is asked when a collection happens. T: int64_t or double.
template <class T>
class ObservableInstrument {
 public:
  using Callback = std::function<void(ObserverResult<T>&)>;

  using Recorder = internal::Recorder<T, internal::ObservedStream<T>>;

  ObservableInstrument(std::shared_ptr<const Recorder> recorder,
                       std::shared_ptr<internal::CallbackRegistry> callbacks)
      : recorder_(std::move(recorder)), callbacks_(std::move(callbacks)) {}
  ~ObservableInstrument() { RemoveCallbacks(); }
  ObservableInstrument(const ObservableInstrument&) = delete;
  ObservableInstrument& operator=(const ObservableInstrument&) = delete;

  // Runs once per collection of each reader, on the collecting thread. It must not add or remove
  // callbacks.
  void AddCallback(Callback callback);
  // After this no callback of this instrument runs any more. The destructor does the same.
  void RemoveCallbacks();

 private:
  const std::shared_ptr<const Recorder> recorder_;
  const std::shared_ptr<internal::CallbackRegistry> callbacks_;
};

}  // namespace narthex::sdk
