#include "pipeline/backoff.h"

#include <algorithm>

namespace narthex::pipeline {
namespace {

using std::chrono::nanoseconds;

nanoseconds Scale(nanoseconds duration, double factor) {
  // Far beyond any limit, and far from overflow.
  constexpr double kNanosecondsMax = 1e18;
  return nanoseconds(static_cast<int64_t>(
      std::min(static_cast<double>(duration.count()) * factor, kNanosecondsMax)));
}

}  // namespace

std::optional<nanoseconds> Backoff::Next(nanoseconds elapsed, nanoseconds hint) {
  if (!config_.is_enabled) return std::nullopt;
  const double offset = config_.randomization_factor * (2 * random_.NextDouble() - 1);
  const nanoseconds delay = std::max(Scale(interval_, 1 + offset), hint);
  interval_ = std::min(Scale(interval_, config_.multiplier), config_.max_interval);
  const bool has_end = config_.max_elapsed_time.count() > 0;
  if (has_end && elapsed + delay > config_.max_elapsed_time) return std::nullopt;
  return delay;
}

}  // namespace narthex::pipeline
