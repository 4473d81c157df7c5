#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "pipeline/backoff.h"
#include "pipeline/factory.h"
#include "pipeline/sending_config.h"

namespace narthex::pipeline {

// One request, ready to be sent as often as it takes.
struct Payload {
  std::string bytes;
  size_t points = 0;  // Data points that succeed or fail with it.
};

// What a batch becomes: requests, and the points that no request can carry, by reason.
struct Encoded {
  struct Loss {
    std::string_view reason;
    size_t points;
  };
  std::vector<Payload> payloads;
  std::vector<Loss> losses;
};

// What one attempt came to.
struct Attempt {
  base::Status status;
  bool is_retryable = false;                // Of an error.
  std::chrono::nanoseconds retry_after{0};  // What the server asked for; 0: nothing.
  size_t rejected_points = 0;               // Of a success: refused for good.
};

// How an exporter talks to its server. Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Encoded Encode(const otlp::Batch& batch) = 0;
  // Blocks for at most `timeout`.
  virtual Attempt Send(const Payload& payload, std::chrono::milliseconds timeout) = 0;
};

// What exporters that push have in common: a bounded queue, threads that take from it, attempts
// again after failures, and the counters for all of it. Thread-safe.
// Source: OpenTelemetry Collector, exporterhelper.
class ExportQueue final : public Consumer {
 public:
  // `name`: the exporter's id. `transport` must outlive the queue.
  ExportQueue(const SendingConfig& config, std::string name, Host& host, Transport& transport);
  ~ExportQueue() override;

  // Takes up what a queue on disk holds from before. Errors: those of the disk.
  base::Status Start();
  // Ends all waiting; what is queued in memory gets one attempt each, what is queued on disk stays
  // there. Works twice, or without Start.
  void Stop();
  // Without a queue, or with `wait_for_result`, the answer is the server's. Errors otherwise:
  // kResourceExhausted while the queue is full, kInvalidArgument for a batch that can never fit,
  // kUnavailable after Stop.
  base::Status Consume(otlp::Batch batch) override;

 private:
  // A caller that waits for what becomes of its batch.
  struct Waiter {
    bool is_done = false;
    base::Status status;
  };
  struct Item {
    otlp::Batch batch;    // Empty while it lies on disk.
    uint64_t log_id = 0;  // On disk; 0: not there.
    size_t points = 0;
    size_t bytes = 0;
    size_t size = 0;  // In the sizer's unit.
    Waiter* waiter = nullptr;
  };
  // What became of a batch. An interrupted one was neither delivered nor refused.
  struct Outcome {
    base::Status status;
    bool is_interrupted = false;
  };

  size_t SizeOf(size_t points, size_t bytes) const;
  base::Status Enqueue(otlp::Batch batch, Waiter* waiter) REQUIRES_LOCK(mutex_);
  base::Status WaitForRoom(size_t size) REQUIRES_LOCK(mutex_);
  void Recover();
  void Run();
  // Empty at the end.
  std::vector<Item> TakeItems() REQUIRES_LOCK(mutex_);
  // More for the first of them, as `batch` says.
  void Gather(std::vector<Item>& items) REQUIRES_LOCK(mutex_);
  void Pop(std::vector<Item>& items) REQUIRES_LOCK(mutex_);
  otlp::Batch Join(std::vector<Item>& items);
  void Settle(std::vector<Item>& items, const Outcome& outcome);
  Outcome ExportInParts(otlp::Batch batch);
  Outcome Export(const otlp::Batch& batch);
  Outcome SendWithRetries(const Payload& payload);
  void Succeed(const Payload& payload, const Attempt& attempt);
  base::Status GiveUp(const Payload& payload, const base::Error& error);
  // False when stopped meanwhile.
  bool Pause(std::chrono::nanoseconds delay);
  void NoteHealth(bool is_failing, std::string_view reason);

  const SendingConfig config_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  Transport& transport_;
  Flow flow_;
  sdk::BoundCounter<uint64_t> sent_;
  sdk::BoundCounter<uint64_t> send_failed_;
  sdk::BoundCounter<uint64_t> enqueue_failed_;
  sdk::BoundUpDownCounter<int64_t> queue_size_;
  sdk::BoundUpDownCounter<int64_t> queue_capacity_;

  std::unique_ptr<QueueLog> log_;  // Null while in memory; set by Start.

  base::Mutex mutex_;
  base::CondVar not_empty_;
  base::CondVar changed_;  // Space in the queue, a waiter's result, the end.
  std::deque<Item> queue_ GUARDED_BY(mutex_);
  size_t queued_ GUARDED_BY(mutex_) = 0;          // In the sizer's unit.
  bool is_gathering_ GUARDED_BY(mutex_) = false;  // A thread waits for more of its batch.
  bool is_stopped_ GUARDED_BY(mutex_) = false;
  bool is_failing_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace narthex::pipeline
