#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "pipeline/passage.h"
#include "sdk/meter.h"

namespace narthex::pipeline {

// What the components of one collector count about themselves, under the official collector's
// names, and the books that every component keeps: in = out + waiting + lost.

// The instruments; one per collector. Thread-safe.
class Instruments {
 public:
  explicit Instruments(sdk::Meter& meter);

  std::unique_ptr<sdk::Counter<uint64_t>> receiver_accepted;
  std::unique_ptr<sdk::Counter<uint64_t>> receiver_refused;
  std::unique_ptr<sdk::Counter<uint64_t>> receiver_failed;
  std::unique_ptr<sdk::Counter<uint64_t>> processor_incoming;
  std::unique_ptr<sdk::Counter<uint64_t>> processor_outgoing;
  std::unique_ptr<sdk::Counter<uint64_t>> exporter_sent;
  std::unique_ptr<sdk::Counter<uint64_t>> exporter_send_failed;
  std::unique_ptr<sdk::Counter<uint64_t>> exporter_enqueue_failed;
  std::unique_ptr<sdk::UpDownCounter<int64_t>> exporter_queue_size;
  std::unique_ptr<sdk::UpDownCounter<int64_t>> exporter_queue_capacity;
  std::unique_ptr<sdk::Counter<uint64_t>> points_in;
  std::unique_ptr<sdk::Counter<uint64_t>> points_out;
  std::unique_ptr<sdk::UpDownCounter<int64_t>> points_waiting;
  std::unique_ptr<sdk::Counter<uint64_t>> points_lost;
};

// Counts traces and logs that an exporter has sent, or failed to send. `exporter`: its id.
void CountPassed(sdk::Meter& meter, const std::string& exporter, Signal signal, size_t items,
                 const base::Status& status);

// The books of one component, in data points. Thread-safe.
class Flow {
 public:
  // `component`: "receiver/otlp", "processor/batch/2".
  Flow(Instruments& instruments, std::string component);

  void In(size_t points) { in_.Add(points); }
  void Out(size_t points) { out_.Add(points); }
  // The change of what is held for later.
  void Waiting(int64_t change) { waiting_.Add(change); }
  // `reason`: a short snake_case word from a small set.
  void Lost(std::string_view reason, size_t points);

  const std::string& component() const { return component_; }

 private:
  const std::string component_;
  sdk::BoundCounter<uint64_t> in_;
  sdk::BoundCounter<uint64_t> out_;
  sdk::BoundUpDownCounter<int64_t> waiting_;
  sdk::Counter<uint64_t>& lost_;
};

}  // namespace narthex::pipeline
