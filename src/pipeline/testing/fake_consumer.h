#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "otlp/decode.h"
#include "otlp/writer.h"
#include "pipeline/component.h"

namespace narthex::pipeline {

// Keeps what it is given, or fails as told. Thread-safe.
class FakeConsumer final : public Consumer {
 public:
  base::Status Consume(otlp::Batch batch) override {
    base::MutexLock lock(mutex_);
    if (error_.has_value()) {
      if (batch.throttle != nullptr) batch.throttle->Ask(delay_);
      return std::unexpected(*error_);
    }
    batches_.push_back(std::move(batch));
    changed_.NotifyAll();
    return {};
  }

  // `delay`: what the sender is asked to wait.
  void FailWith(std::optional<base::Error> error, std::chrono::nanoseconds delay = {}) {
    base::MutexLock lock(mutex_);
    error_ = std::move(error);
    delay_ = delay;
  }
  // Waits until that many points have come, at most ten seconds.
  bool WaitForPoints(size_t points) {
    base::MutexLock lock(mutex_);
    while (CountLocked() < points) {
      if (!changed_.WaitFor(mutex_, std::chrono::seconds(10))) return false;
    }
    return true;
  }
  size_t point_count() const {
    base::MutexLock lock(mutex_);
    return CountLocked();
  }
  // Points per batch, in the order of arrival.
  std::vector<size_t> sizes() const {
    base::MutexLock lock(mutex_);
    std::vector<size_t> sizes;
    for (const otlp::Batch& batch : batches_) sizes.push_back(batch.point_count());
    return sizes;
  }
  otlp::Batch Take() {
    base::MutexLock lock(mutex_);
    otlp::Batch batch = std::move(batches_.back());
    batches_.pop_back();
    return batch;
  }

 private:
  size_t CountLocked() const REQUIRES_LOCK(mutex_) {
    size_t points = 0;
    for (const otlp::Batch& batch : batches_) points += batch.point_count();
    return points;
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<otlp::Batch> batches_ GUARDED_BY(mutex_);
  std::optional<base::Error> error_ GUARDED_BY(mutex_);
  std::chrono::nanoseconds delay_ GUARDED_BY(mutex_){0};
};

// The bytes of a request with one gauge of that many points.
inline std::string GaugeRequest(size_t points) {
  otlp::Writer writer;
  const auto resource = writer.Begin(1);
  const auto scope = writer.Begin(2);
  const auto metric = writer.Begin(2);
  writer.Bytes(1, "gauge");
  const auto gauge = writer.Begin(5);
  for (size_t i = 0; i < points; ++i) {
    const auto point = writer.Begin(1);
    writer.Fixed64(3, 1'000'000'000);
    writer.Fixed64(6, i);
    writer.End(point);
  }
  writer.End(gauge);
  writer.End(metric);
  writer.End(scope);
  writer.End(resource);
  return writer.Take();
}
inline otlp::Batch GaugeBatch(size_t points) { return *otlp::DecodeMetrics(GaugeRequest(points)); }

}  // namespace narthex::pipeline
