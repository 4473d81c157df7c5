#pragma once

#include <string>

#include "pipeline/factory.h"

namespace narthex::pipeline {

// The books of a receiver that makes its batches itself, so that there is no sender who could come
// again: what is refused is lost, and counted. Thread-safe.
class Intake {
 public:
  // `name`: the receiver's id. `transport`: as its counters have it.
  Intake(Host& host, const std::string& name, std::string_view transport, Consumer& next);

  // Returns the next stage's answer. A batch without points ends here.
  base::Status Pass(otlp::Batch batch);

 private:
  Consumer& next_;
  Flow flow_;
  sdk::BoundCounter<uint64_t> accepted_;
  sdk::BoundCounter<uint64_t> refused_;
};

}  // namespace narthex::pipeline
