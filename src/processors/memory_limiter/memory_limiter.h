#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "pipeline/factory.h"

namespace narthex::processors {

// Refuses data while what all limiters of the collector have let pass, and what is still held
// somewhere downstream, takes too many bytes. The bytes are counted, exactly and at once, not
// sampled. Thread-safe.
class MemoryLimiter final : public pipeline::Processor {
 public:
  static std::unique_ptr<pipeline::Processor> Create(const pipeline::CreateContext& context,
                                                     pipeline::Consumer& next);

  // Refuses at `soft_limit_bytes`.
  MemoryLimiter(uint64_t soft_limit_bytes, const std::string& name, pipeline::Host& host,
                pipeline::Consumer& next);
  ~MemoryLimiter() override;

  // The limit is the process's: what it has taken already is no longer there for batches, though at
  // least a quarter of the limit is.
  base::Status Start() override;
  void Stop() override {}
  // Error: kUnavailable over the limit.
  base::Status Consume(otlp::Batch batch) override;
  // The same for requests that are passed on as they came: their bytes count until they have gone.
  pipeline::Passage* PassageTo(pipeline::Signal signal, pipeline::Passage& next) override;

  uint64_t held_bytes() const { return held_->load(std::memory_order_relaxed); }

 private:
  class Way;
  using Lease = std::shared_ptr<const std::string>;

  // Whether nothing more is let in.
  bool IsFull() const { return held_bytes() >= batch_limit_bytes_; }
  // Counts those bytes until its last owner has gone, wherever that is.
  Lease Hold(uint64_t bytes) const;

  const uint64_t soft_limit_bytes_;
  std::atomic<uint64_t> batch_limit_bytes_;
  base::FileSystem& files_;
  pipeline::Consumer& next_;
  pipeline::Flow flow_;
  const std::string name_;
  sdk::Meter& meter_;
  sdk::BoundCounter<uint64_t> accepted_;
  sdk::BoundCounter<uint64_t> refused_;
  const std::shared_ptr<std::atomic<uint64_t>> held_;  // The collector's.
  std::unique_ptr<Way> way_;
};

inline constexpr pipeline::ProcessorFactory kMemoryLimiter = {"memory_limiter", "",
                                                              &MemoryLimiter::Create};

}  // namespace narthex::processors
