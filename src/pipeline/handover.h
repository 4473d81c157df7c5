#pragma once

#include <string>

#include "pipeline/factory.h"

namespace narthex::pipeline {

// The books of a processor that works on a batch and passes it on in the same call. Thread-safe.
class Handover {
 public:
  // `name`: the processor's id.
  Handover(Host& host, const std::string& name, Consumer& next);

  // Passes on what is left of a batch that came with `points_in` points; those that are missing
  // count as lost for `reason`. A batch without points ends here, unless it came so.
  base::Status Pass(otlp::Batch batch, size_t points_in, std::string_view reason = "filtered");
  // Of a batch that ends here with an error, which is returned.
  base::Status Refuse(size_t points_in, const base::Error& error);

 private:
  Consumer& next_;
  Flow flow_;
  sdk::BoundCounter<uint64_t> incoming_;
  sdk::BoundCounter<uint64_t> outgoing_;
};

}  // namespace narthex::pipeline
