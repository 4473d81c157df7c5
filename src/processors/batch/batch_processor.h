#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "pipeline/factory.h"

namespace narthex::processors {

// Joins small batches into larger ones and splits overlong ones, on a thread of its own. Senders
// have their answer when the batch has taken the data, before the next stage sees it; what that
// stage refuses is counted and gone. Thread-safe.
class BatchProcessor final : public pipeline::Processor {
 public:
  struct Config {
    size_t send_batch_size = 8192;   // Points that make a batch leave at once.
    size_t send_batch_max_size = 0;  // No batch is larger; 0: no limit.
    std::chrono::nanoseconds timeout{std::chrono::milliseconds(200)};  // Longest wait of a point.
  };
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  BatchProcessor(Config config, std::string name, pipeline::Host& host, pipeline::Consumer& next);
  ~BatchProcessor() override;

  base::Status Start() override;
  // Sends on what is waiting.
  void Stop() override;
  // Error: kUnavailable while so much waits that the next stage cannot be keeping up.
  base::Status Consume(otlp::Batch batch) override;

 private:
  struct Instruments;

  void Run();
  void Send(otlp::Batch batch, bool by_size);
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

  base::Mutex mutex_;
  base::CondVar changed_;
  base::CondVar paused_;
  otlp::Batch waiting_ GUARDED_BY(mutex_);
  int64_t oldest_ns_ GUARDED_BY(mutex_) = 0;  // When the first of what is waiting came.
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

inline constexpr pipeline::ProcessorFactory kBatchProcessor = {"batch", "",
                                                               &BatchProcessor::Create};

}  // namespace narthex::processors
