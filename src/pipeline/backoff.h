#pragma once

#include <chrono>
#include <optional>

#include "base/random.h"
#include "pipeline/sending_config.h"

namespace narthex::pipeline {

// How long to wait before the next attempt at one request: longer each time, with chance in it so
// that many senders do not come back together. One thread at a time.
class Backoff {
 public:
  Backoff(const RetryConfig& config, base::Random random)
      : config_(config), random_(random), interval_(config.initial_interval) {}

  // `elapsed`: since the first attempt began. `hint`: what the server asked for, 0 for nothing; the
  // delay is never shorter. nullopt when the next attempt would come too late.
  std::optional<std::chrono::nanoseconds> Next(std::chrono::nanoseconds elapsed,
                                               std::chrono::nanoseconds hint);

 private:
  const RetryConfig config_;
  base::Random random_;
  std::chrono::nanoseconds interval_;
};

}  // namespace narthex::pipeline
