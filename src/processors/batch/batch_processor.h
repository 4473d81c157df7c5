#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "pipeline/factory.h"
#include "processors/batch/cutting_passage.h"

namespace narthex::processors {

// Joins small batches into larger ones and splits overlong ones, on a thread of its own. Senders
// have their answer when the batch has taken the data, before the next stage sees it; what that
// stage refuses is counted and gone. With `wait_for_result` they have it when all of their data has
// been passed on, and it is what the next stage says: the first refusal, where there are several
// answers. With `metadata_keys`, data of clients that differ in them goes
// into batches of its own. Thread-safe. Source: OpenTelemetry Collector, batchprocessor.
class BatchProcessor final : public pipeline::Processor {
 public:
  struct Config {
    size_t send_batch_size = 8192;   // Points that make a batch leave at once.
    size_t send_batch_max_size = 0;  // No batch is larger; 0: no limit.
    std::chrono::nanoseconds timeout{std::chrono::milliseconds(200)};  // Longest wait of a point.
    bool wait_for_result = false;
    otlp::MetadataKeys metadata_keys;
    size_t shards_max = 1000;  // Combinations of their values; 0: no limit.
  };
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  BatchProcessor(Config config, std::string name, pipeline::Host& host, pipeline::Consumer& next);
  ~BatchProcessor() override;

  base::Status Start() override;
  // Sends on what is waiting.
  void Stop() override;
  // Waits up to a second while there is no room. Errors: kUnavailable where the next stage does not
  // keep up, so that there still is none;
  // kInvalidArgument for one combination of metadata too many.
  base::Status Consume(otlp::Batch batch) override;
  // Requests of other signals are cut at `send_batch_max_size`; they are joined by the queues of
  // their exporters, if at all.
  pipeline::Passage* PassageTo(pipeline::Signal signal, pipeline::Passage& next) override;

 private:
  struct Instruments;
  // Somebody who waits for what becomes of the data.
  struct Sender {
    size_t points_left = 0;
    otlp::ThrottlePointer throttle;
    base::Status status;
  };
  // The next points of what waits, and whose they are.
  struct Share {
    Sender* sender;
    size_t points;
  };
  // What waits of one combination of metadata.
  struct Shard {
    otlp::ClientPointer client;  // Nothing but the keys.
    otlp::Batch waiting;
    std::deque<Share> shares;  // All of it, where senders wait.
    int64_t oldest_ns = 0;     // When the first of what is waiting came.
  };
  struct Ready {
    Shard* shard = nullptr;
    bool by_size = false;
    int64_t due_in_ns = 0;  // Without a shard; 0: nothing waits.
  };

  // Null at the limit.
  Shard* ShardOf(const otlp::ClientInfo* client) REQUIRES_LOCK(mutex_);
  // False where there is still none after a while, or it has stopped.
  bool WaitForRoom() REQUIRES_LOCK(mutex_);
  Ready FindReady() REQUIRES_LOCK(mutex_);
  void Run();
  // Of the next points, the shares that leave with them.
  static std::vector<Share> TakeShares(Shard& shard, size_t points);
  void Send(otlp::Batch batch, bool by_size, const std::vector<Share>& shares);
  void Answer(const std::vector<Share>& shares, const base::Status& status,
              std::chrono::nanoseconds delay) EXCLUDES_LOCK(mutex_);
  // Offers the batch until it is taken or refused for good; once more after Stop.
  base::Status PassOn(otlp::Batch batch);

  const Config config_;
  const size_t waiting_points_max_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Consumer& next_;
  pipeline::Flow flow_;
  const std::unique_ptr<Instruments> instruments_;
  std::unique_ptr<CuttingPassage> passage_;  // Of a pipeline of another signal that is cut.

  base::Mutex mutex_;
  base::CondVar changed_;
  base::CondVar paused_;
  base::CondVar room_;
  base::CondVar answered_;
  // By their values of `metadata_keys`. They stay, as the official processor's do.
  std::map<std::string, Shard> shards_ GUARDED_BY(mutex_);
  size_t waiting_points_ GUARDED_BY(mutex_) = 0;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

inline constexpr pipeline::ProcessorFactory kBatchProcessor = {"batch", "",
                                                               &BatchProcessor::Create};

}  // namespace narthex::processors
