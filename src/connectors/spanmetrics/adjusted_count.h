#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/random.h"

namespace narthex::connectors {

// How many spans one stands for that a sampler has kept, as its trace state says.
class AdjustedCount {
 public:
  // Of a span that says nothing: itself.
  AdjustedCount() = default;
  // Source: OpenTelemetry specification, "TraceState: Probability Sampling", the key `ot` and its
  // `th`, the share of 2^56 that is rejected.
  explicit AdjustedCount(std::string_view trace_state);

  // What can be read of the trace state tells how many spans there were.
  bool is_extrapolated() const { return is_extrapolated_; }
  // A whole number, by chance up or down, so that the mean is right.
  uint64_t Draw(base::Random& random) const;

 private:
  uint64_t whole_ = 1;
  uint64_t rest_ = 0;  // Of `kept_`, what is missing to one more.
  uint64_t kept_ = 1;
  bool is_extrapolated_ = false;
};

}  // namespace narthex::connectors
