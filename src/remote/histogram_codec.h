#pragma once

#include <string_view>
#include <variant>

#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/sample.h"

namespace narthex::remote {

// A native histogram as remote write carries it: with whole or with float counts.
struct WrittenHistogram {
  model::Timestamp t = 0;
  std::variant<model::IntegerHistogram, model::FloatHistogram> histogram;
};

// Read the messages Histogram and Exemplar of prometheus/prometheus, prompb/types.proto. What they
// yield is not validated. They throw protozero::exception for malformed bytes; an exemplar whose
// labels are impossible has none.
WrittenHistogram DecodeHistogram(std::string_view message);
model::Exemplar DecodeExemplar(std::string_view message);

}  // namespace narthex::remote
