#pragma once

#include <optional>

#include "model/labels.h"
#include "model/sample.h"

namespace narthex::model {

// A measurement picked out of those that a sample counts, for its trace.
struct Exemplar {
  Labels labels;
  double value = 0;
  std::optional<Timestamp> timestamp;
};

}  // namespace narthex::model
