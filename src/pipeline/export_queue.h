#pragma once

#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "pipeline/backoff.h"
#include "pipeline/export_books.h"
#include "pipeline/queue_entry.h"
#include "pipeline/sending_config.h"

namespace narthex::pipeline {

// One request, ready to be sent as often as it takes.
struct Payload {
  std::string bytes;
  size_t points = 0;    // Data points, spans or log records that succeed or fail with it.
  size_t elements = 0;  // What the server counts instead, where that is something else.
  Signal signal = Signal::kMetrics;
  otlp::Encoding encoding = otlp::Encoding::kProtobuf;
  otlp::ClientPointer client = nullptr;  // Whose data it is, where that is known.
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
  size_t taken_points = 0;                  // Of an error that is final: not refused.
};

// How an exporter talks to its server. Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Encoded Encode(const otlp::Batch& batch) = 0;
  // A request of another signal as it is sent.
  virtual std::string Pack(std::string bytes) { return bytes; }
  // Blocks for at most `timeout`.
  virtual Attempt Send(const Payload& payload, std::chrono::milliseconds timeout) = 0;
};

// What exporters that push have in common, for one signal: a bounded queue, threads that take from
// it, attempts again after failures, and the counters for all of it. Thread-safe.
// Source: OpenTelemetry Collector, exporterhelper.
class ExportQueue final : public Consumer, public Passage {
 public:
  // `name`: the exporter's id. `transport` must outlive the queue.
  ExportQueue(const SendingConfig& config, std::string name, Host& host, Transport& transport,
              Signal signal = Signal::kMetrics, bool takes_json = false);
  ~ExportQueue() override;

  // Takes up what a queue on disk holds from before. Errors: those of the disk.
  base::Status Start();
  // Ends all waiting; what is queued in memory gets one attempt each, what is queued on disk stays
  // there. Works twice, or without Start.
  void Stop();
  // Without a queue, or with `wait_for_result`, the answer is the server's, and the batch's
  // throttle learns when it wants to be asked again. Errors otherwise: kResourceExhausted while the
  // queue is full, kInvalidArgument for a batch that can never fit, kUnavailable after Stop.
  base::Status Consume(otlp::Batch batch) override;
  bool TakesJson() const override { return takes_json_; }
  // The same for a request of another signal, whose answer is empty. REQUIRES: the queue's signal.
  void Pass(PassedRequest request, Done done) override;

 private:
  // What became of a batch. An interrupted one was neither delivered nor refused.
  struct Outcome {
    base::Status status;
    bool is_interrupted = false;
    std::chrono::nanoseconds retry_after{0};  // Of an error: what the server asked for.

    // Of several, the first error and the longest wait.
    void Add(Outcome other);
  };
  // A caller that waits for what becomes of its batch.
  struct Waiter {
    bool is_done = false;
    Outcome outcome;
  };
  // Metrics are taken apart; what is of other signals stays as it came.
  struct Cargo {
    otlp::Batch batch;
    size_t points = 0;
    std::string bytes;
    otlp::Encoding encoding = otlp::Encoding::kProtobuf;
    otlp::ClientPointer client;
    std::vector<std::shared_ptr<const void>> leases = {};  // As PassedRequest's.
  };
  struct Item {
    Cargo cargo;            // Empty while it lies on disk.
    std::string partition;  // Of `batch.partition.metadata_keys`.
    uint64_t log_id = 0;    // On disk; 0: not there.
    size_t points = 0;
    size_t bytes = 0;
    size_t size = 0;  // In the sizer's unit.
    Waiter* waiter = nullptr;
  };

  size_t SizeOf(size_t points, size_t bytes) const;
  // The answer for who gave the batch, who also learns when to come again.
  static base::Status Tell(otlp::Throttle* throttle, Outcome outcome);
  // The answer to a sender, after waiting for it where that is asked for.
  Outcome Take(Item item);
  base::Status Enqueue(Item item) REQUIRES_LOCK(mutex_);
  base::Result<uint64_t> Store(const Item& item);
  base::Status WaitForRoom(size_t size) REQUIRES_LOCK(mutex_);
  void Recover();
  void Run();
  // Empty at the end.
  std::vector<Item> TakeItems() REQUIRES_LOCK(mutex_);
  // The oldest that no thread gathers more for; the end of the queue without any.
  std::deque<Item>::iterator NextItem() REQUIRES_LOCK(mutex_);
  // More for the first of them, as `batch` says.
  void Gather(std::vector<Item>& items) REQUIRES_LOCK(mutex_);
  void Pop(std::deque<Item>::iterator from, std::vector<Item>& items) REQUIRES_LOCK(mutex_);
  // What they come to; those that cannot be read from the disk are dropped.
  std::vector<Cargo> Join(std::vector<Item>& items);
  void Join(Cargo cargo, std::vector<Cargo>& joined) const;
  base::Result<Cargo> Load(const Item& item) const;
  void Settle(std::vector<Item>& items, const Outcome& outcome);
  Outcome ExportAll(std::vector<Cargo> cargoes);
  Outcome ExportInParts(otlp::Batch batch);
  Outcome Export(const otlp::Batch& batch);
  Outcome SendWithRetries(const Payload& payload);
  void Succeed(const Payload& payload, const Attempt& attempt);
  Outcome GiveUp(const Payload& payload, const base::Error& error, const Attempt& attempt);
  // False when stopped meanwhile.
  bool Pause(std::chrono::nanoseconds delay);
  void NoteHealth(bool is_failing, std::string_view reason);

  const SendingConfig config_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  Transport& transport_;
  const Signal signal_;
  const bool takes_json_;
  ExportBooks books_;

  std::unique_ptr<QueueLog> log_;  // Null while in memory; set by Start.

  base::Mutex mutex_;
  base::CondVar not_empty_;
  base::CondVar changed_;  // Space in the queue, a waiter's result, the end.
  std::deque<Item> queue_ GUARDED_BY(mutex_);
  size_t queued_ GUARDED_BY(mutex_) = 0;  // In the sizer's unit.
  // Partitions that a thread waits for more of.
  std::set<std::string> gathered_ GUARDED_BY(mutex_);
  bool is_stopped_ GUARDED_BY(mutex_) = false;
  bool is_failing_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace narthex::pipeline
