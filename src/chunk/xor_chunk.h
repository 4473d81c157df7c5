#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/sample.h"

namespace narthex::chunk {

// Chunk encodings by the code that files carry. Source: Prometheus, tsdb/chunkenc.
enum class Encoding : uint8_t {
  kNone = 0,
  kXor = 1,
  kHistogram = 2,
  kFloatHistogram = 3,
  kXor2 = 4,  // Those with start times: numbers,
  kHistogramStarts = 5,
  kFloatHistogramStarts = 6,
};

constexpr bool KeepsStarts(Encoding encoding) {
  return encoding == Encoding::kXor2 || encoding == Encoding::kHistogramStarts ||
         encoding == Encoding::kFloatHistogramStarts;
}
constexpr bool IsHistogram(Encoding encoding) {
  return encoding == Encoding::kHistogram || encoding == Encoding::kFloatHistogram ||
         encoding == Encoding::kHistogramStarts || encoding == Encoding::kFloatHistogramStarts;
}

// Where a growing chunk stands, for those who keep its bytes themselves.
struct XorCursor {
  model::Timestamp last_time = 0;
  uint64_t last_value = 0;  // As bits.
  int64_t last_delta = 0;
  uint32_t bits = 0;  // Written so far.
  uint16_t count = 0;
  uint8_t leading = 0xff;  // Of the window of significant bits; 0xff: none yet.
  uint8_t trailing = 0;
};

// Room that the writing of one sample needs behind the byte of its first bit.
inline constexpr size_t kXorSampleBytesMax = 32;
// The count stands in front, big endian; the caller stores it there.
inline constexpr uint32_t kXorHeaderBits = 16;

// Writes the next sample at bit `bit` of `to`, whose bits before that are kept, and moves the
// cursor. A chunk's first sample goes behind its header. REQUIRES: kXorSampleBytesMax bytes from
// to + bit / 8 on may be written, and t is larger than the last one.
void WriteXorSample(char* to, uint32_t bit, XorCursor& cursor, model::Timestamp t, double v);

// A growing chunk of float samples in Prometheus's XOR encoding: the count (2 bytes, big endian),
// then bits as docs/format/xor-chunk.md lays them out. Its bytes() are complete after every Append.
// One thread at a time.
class XorChunk {
 public:
  XorChunk() = default;
  XorChunk(XorChunk&& other) noexcept;
  XorChunk& operator=(XorChunk&& other) noexcept;
  ~XorChunk();

  static constexpr uint16_t kSamplesMax = 0xffff;

  // REQUIRES: t is larger than the last one, count() < kSamplesMax.
  void Append(model::Timestamp t, double v);

  uint16_t count() const { return cursor_.count; }
  model::Timestamp last_time() const { return cursor_.last_time; }
  double last_value() const { return std::bit_cast<double>(cursor_.last_value); }
  std::string_view bytes() const { return {buffer_, (cursor_.bits + 7) / 8}; }
  size_t capacity() const { return capacity_; }

 private:
  void Reserve();

  char* buffer_ = nullptr;
  uint32_t capacity_ = 0;
  XorCursor cursor_;
};

// Appends the samples of a chunk that lie in `range` to `out`. Error: kDataLoss when the bytes end
// before the declared number of samples; what came before is in `out`.
base::Status DecodeXor(std::string_view bytes, model::TimeRange range, model::SampleColumns& out);

}  // namespace narthex::chunk
