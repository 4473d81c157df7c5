#pragma once

#include <cstdint>

namespace narthex::base {

// A seeded pseudo-random generator (xoshiro256**): fast, reproducible, not for secrets.
// One thread at a time.
class Random {
 public:
  explicit Random(uint64_t seed);

  uint64_t Next();
  // Uniform in [0, limit). REQUIRES: limit > 0.
  uint64_t Below(uint64_t limit);
  // Uniform in [0, 1).
  double NextDouble();
  // Exponentially distributed with mean 1: gaps of a Poisson process.
  double NextExponential();

 private:
  uint64_t state_[4];
};

// A seed from the operating system.
uint64_t RandomSeed();

}  // namespace narthex::base
