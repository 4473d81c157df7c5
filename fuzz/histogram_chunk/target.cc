// Arbitrary bytes as a chunk of native histograms: decoders stay inside them, and what they yield
// can be printed, compared and added up. What they yield exactly can be encoded anew, as a
// compaction does, and is the same then.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "chunk/histogram_chunk.h"
#include "chunk/series_encoder.h"

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

void EncodeAnew(chunk::Encoding encoding, std::string_view bytes) {
  std::vector<chunk::TimedValue> values;
  if (!chunk::Decode(encoding, bytes, {}, values)) return;
  for (size_t i = 1; i < values.size(); ++i) {
    if (values[i].t <= values[i - 1].t) return;  // Refused by who compacts.
  }
  std::vector<chunk::TimedValue> again;
  for (const chunk::FinishedChunk& part : chunk::Encode(values)) {
    CHECK(chunk::Decode(part.encoding, part.bytes, {}, again));
  }
  CHECK(again.size() == values.size());
  for (size_t i = 0; i < again.size(); ++i) {
    CHECK(again[i].t == values[i].t && again[i].start == values[i].start);
  }
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
  for (const chunk::Encoding encoding :
       {chunk::Encoding::kHistogramStarts, chunk::Encoding::kFloatHistogramStarts}) {
    model::SampleColumns samples;
    std::ignore = chunk::Decode(encoding, bytes, {}, samples);
    Use(samples);
    EncodeAnew(encoding, bytes);
  }
  EncodeAnew(chunk::Encoding::kHistogram, bytes);
  EncodeAnew(chunk::Encoding::kFloatHistogram, bytes);
  return 0;
}
