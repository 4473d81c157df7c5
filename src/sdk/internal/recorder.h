#pragma once

#include <memory>
#include <vector>

#include "sdk/exemplar.h"
#include "sdk/internal/stream.h"

namespace narthex::sdk::internal {

// Whether the measurement at hand may become an exemplar.
inline bool WantsExemplar(ExemplarFilter filter) {
  switch (filter) {
    case ExemplarFilter::kTraceBased:
      return active_span != nullptr && active_span->is_sampled;
    case ExemplarFilter::kAlwaysOn:
      return true;
    case ExemplarFilter::kAlwaysOff:
      return false;
  }
  return false;
}

// A sink with the attributes already resolved. Thread-safe.
template <class T>
class BoundSink {
 public:
  virtual ~BoundSink() = default;
  virtual void Record(T value) = 0;
};

// One stream as its instrument sees it: takes measurements with all their attributes and keeps what
// the view asks for. Thread-safe.
template <class T>
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void Record(T value, Attributes attributes) = 0;
  // Valid as long as the sink.
  virtual std::unique_ptr<BoundSink<T>> Bind(Attributes attributes) = 0;
};

// Attributes parted by a filter, in memory that each thread keeps.
struct PartedAttributes {
  std::vector<Attribute> kept;
  std::vector<Attribute> dropped;
  static const PartedAttributes& Part(const AttributeFilter& filter, Attributes attributes);
};

template <class T, class S>
class StreamSink final : public Sink<T> {
 public:
  explicit StreamSink(std::shared_ptr<S> stream) : stream_(std::move(stream)) {}

  void Record(T value, Attributes attributes) override {
    if (config().attributes.KeepsAll()) {
      RecordIn(stream_->FindSeries(attributes), value, {});
    } else {
      const auto& parted = PartedAttributes::Part(config().attributes, attributes);
      RecordIn(stream_->FindSeries(parted.kept), value, parted.dropped);
    }
  }

  std::unique_ptr<BoundSink<T>> Bind(Attributes attributes) override {
    const auto& parted = PartedAttributes::Part(config().attributes, attributes);
    return std::make_unique<Bound>(*this, stream_->FindSeries(parted.kept), parted.dropped);
  }

 private:
  using StreamSeries = typename S::CellSeries;
  using Value = typename S::Value;

  class Bound final : public BoundSink<T> {
   public:
    Bound(StreamSink& sink, StreamSeries& series, Attributes dropped)
        : sink_(sink), series_(series), dropped_(dropped) {}
    void Record(T value) override { sink_.RecordIn(series_, value, dropped_.items()); }

   private:
    StreamSink& sink_;
    StreamSeries& series_;
    const OwnedAttributes dropped_;
  };

  const StreamConfig& config() const { return stream_->config(); }
  void RecordIn(StreamSeries& series, T value, Attributes dropped) {
    series.cell.Record(static_cast<Value>(value));
    if (WantsExemplar(config().exemplars)) {
      stream_->OfferExemplar(series, static_cast<Value>(value), dropped);
    }
  }

  const std::shared_ptr<S> stream_;
};

// All that an instrument's handles share: where its measurements go. Usually that is one stream,
// Plain, with nothing filtered and no span active; then there is no indirection. Immutable.
template <class T, class Plain>
class Recorder {
 public:
  using PlainStream = Plain;
  struct Outlet {
    std::shared_ptr<Stream> stream;
    std::unique_ptr<Sink<T>> sink;
  };

  explicit Recorder(std::vector<Outlet> outlets) : outlets_(std::move(outlets)) {
    if (outlets_.size() != 1) return;
    const StreamConfig& config = outlets_[0].stream->config();
    if (config.attributes.KeepsAll() && config.exemplars != ExemplarFilter::kAlwaysOn) {
      plain_ = dynamic_cast<Plain*>(outlets_[0].stream.get());
    }
  }

  bool is_enabled() const { return !outlets_.empty(); }
  const std::vector<Outlet>& outlets() const { return outlets_; }
  // nullptr where measurements have to take the long way.
  Plain* plain() const { return plain_; }

  void Record(T value, Attributes attributes) const {
    if (plain_ != nullptr && active_span == nullptr) [[likely]] {
      plain_->Find(attributes).Record(static_cast<typename Plain::Value>(value));
    } else {
      for (const Outlet& outlet : outlets_) outlet.sink->Record(value, attributes);
    }
  }
  // Only into the streams of one reader.
  void RecordFor(size_t reader, T value, Attributes attributes) const {
    for (const Outlet& outlet : outlets_) {
      if (outlet.stream->config().reader == reader) outlet.sink->Record(value, attributes);
    }
  }

 private:
  const std::vector<Outlet> outlets_;
  Plain* plain_ = nullptr;
};

// A recorder with the attributes already resolved. A value; thread-safe.
template <class T, class Plain>
class BoundRecorder {
 public:
  BoundRecorder(std::shared_ptr<const Recorder<T, Plain>> recorder, Attributes attributes)
      : recorder_(std::move(recorder)) {
    if (Plain* plain = recorder_->plain()) cell_ = &plain->Find(attributes);
    for (const auto& outlet : recorder_->outlets()) {
      sinks_.push_back(outlet.sink->Bind(attributes));
    }
  }

  void Record(T value) const {
    if (cell_ != nullptr && active_span == nullptr) [[likely]] {
      cell_->Record(static_cast<typename Plain::Value>(value));
    } else {
      for (const auto& sink : sinks_) sink->Record(value);
    }
  }

 private:
  std::shared_ptr<const Recorder<T, Plain>> recorder_;
  typename Plain::CellType* cell_ = nullptr;
  std::vector<std::shared_ptr<BoundSink<T>>> sinks_;
};

}  // namespace narthex::sdk::internal
