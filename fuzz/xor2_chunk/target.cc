// Arbitrary bytes as a chunk of numbers with start times: the decoder stays inside them, a part is
// a part of the whole, and what it yields can be encoded anew and is the same then.

#include <bit>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "chunk/xor2_chunk.h"

using namespace narthex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  model::SampleColumns samples;
  const bool whole = chunk::DecodeXor2(bytes, {}, samples).has_value();
  CHECK(samples.t.size() == samples.v.size());
  CHECK(samples.starts.empty() || samples.starts.size() == samples.t.size());
  bool ordered = true;
  for (size_t i = 1; i < samples.size(); ++i) ordered &= samples.t[i - 1] < samples.t[i];
  if (!whole || !ordered || samples.size() == 0) return 0;
  chunk::Xor2Chunk anew;
  for (size_t i = 0; i < samples.size(); ++i) {
    anew.Append(samples.t[i], samples.v[i], samples.Start(i));
  }
  model::SampleColumns again;
  CHECK(chunk::DecodeXor2(anew.bytes(), {}, again));
  CHECK(again.t == samples.t);
  for (size_t i = 0; i < samples.size(); ++i) {
    CHECK(std::bit_cast<uint64_t>(again.v[i]) == std::bit_cast<uint64_t>(samples.v[i]));
    CHECK(again.Start(i) == samples.Start(i));
  }
  return 0;
}
