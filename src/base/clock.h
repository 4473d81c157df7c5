#pragma once

#include <cstdint>

namespace narthex::base {

// The time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Milliseconds since the Unix epoch, UTC. May jump.
  virtual int64_t WallMs() const = 0;
  // Nanoseconds since the Unix epoch, UTC. May jump.
  virtual int64_t WallNs() const = 0;
  // Nanoseconds since some fixed point; never goes back. For time-outs and durations.
  virtual int64_t MonotonicNs() const = 0;
};

// The machine's clock.
Clock& SystemClock();

}  // namespace narthex::base
