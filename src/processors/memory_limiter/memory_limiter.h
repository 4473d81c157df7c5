#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "pipeline/factory.h"

namespace narthex::processors {

// Refuses batches while those that have passed and are still held somewhere downstream take too
// many bytes. The bytes are counted, exactly and at once, not sampled. Thread-safe.
class MemoryLimiter final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  // Refuses at `soft_limit_bytes`.
  MemoryLimiter(uint64_t soft_limit_bytes, const std::string& name, pipeline::Host& host,
                pipeline::Consumer& next);

  // The limit is the process's: what it has taken already is no longer there for batches, though at
  // least a quarter of the limit is.
  base::Status Start() override;
  void Stop() override {}
  // Error: kUnavailable over the limit.
  base::Status Consume(otlp::Batch batch) override;

  uint64_t held_bytes() const { return held_->load(std::memory_order_relaxed); }

 private:
  const uint64_t soft_limit_bytes_;
  std::atomic<uint64_t> batch_limit_bytes_;
  base::FileSystem& files_;
  pipeline::Consumer& next_;
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> accepted_;
  sdk::BoundCounter<uint64_t> refused_;
  // Shared with the batches, which may outlive this.
  const std::shared_ptr<std::atomic<uint64_t>> held_;
};

inline constexpr pipeline::ProcessorFactory kMemoryLimiter = {"memory_limiter", "",
                                                              &MemoryLimiter::Create};

}  // namespace narthex::processors
