// Arbitrary bytes as a chunk of native histograms: decoders stay inside them, and what they yield
// can be printed, compared and added up.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "chunk/histogram_chunk.h"

using namespace narthex;

namespace {

void Use(const model::SampleColumns& samples) {
  CHECK(samples.t.size() == samples.v.size());
  model::HistogramSum sum;
  for (const model::HistogramPtr& histogram : samples.histograms) {
    CHECK(!histogram->ToString().empty());
    CHECK(histogram->positive.size() ==
          model::Unpack(histogram->positive_spans, histogram->positive).size());
    if (sum.empty() || sum.custom() == histogram->custom()) sum.Add(*histogram);
  }
  if (!sum.empty()) std::ignore = sum.Total();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  model::SampleColumns whole;
  std::ignore = chunk::DecodeHistograms(bytes, {}, whole);
  Use(whole);
  model::SampleColumns floats;
  std::ignore = chunk::DecodeFloatHistograms(bytes, {}, floats);
  Use(floats);
  return 0;
}
