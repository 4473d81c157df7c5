#pragma once

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
  kXor2 = 4,
};

// A growing chunk of float samples in Prometheus's XOR encoding: the count (2 bytes, big endian),
// then bits as docs/format/xor-chunk.md lays them out. Its bytes() are complete after every Append.
// 56 bytes and one buffer of fitting size. One thread at a time.
class XorChunk {
 public:
  XorChunk() = default;
  XorChunk(XorChunk&& other) noexcept;
  XorChunk& operator=(XorChunk&& other) noexcept;
  ~XorChunk();

  static constexpr uint16_t kSamplesMax = 0xffff;

  // REQUIRES: t is larger than the last one, count() < kSamplesMax.
  void Append(model::Timestamp t, double v);

  uint16_t count() const { return count_; }
  model::Timestamp last_time() const { return last_time_; }
  double last_value() const { return last_value_; }
  std::string_view bytes() const { return {buffer_, (bits_ + 7) / 8}; }
  size_t capacity() const { return capacity_; }
  // Brings the place of the next sample closer, for callers that walk over many chunks.
  void Prefetch() const { __builtin_prefetch(buffer_ + bits_ / 8, 1); }

 private:
  void Reserve(size_t more_bits);
  void PutBits(uint64_t value, unsigned count);  // REQUIRES: count <= 57, room reserved.
  void Put64(uint64_t value);
  void PutTime(int64_t delta_of_delta);
  void PutValue(double v);

  char* buffer_ = nullptr;  // Zero behind the written bits.
  uint32_t bits_ = 0;
  uint32_t capacity_ = 0;
  model::Timestamp last_time_ = 0;
  int64_t last_delta_ = 0;
  double last_value_ = 0;
  uint16_t count_ = 0;
  uint8_t leading_ = 0xff;  // No window of significant bits yet.
  uint8_t trailing_ = 0;
};

// Appends the samples of a chunk that lie in `range` to `out`. Error: kDataLoss when the bytes end
// before the declared number of samples; what came before is in `out`.
base::Status DecodeXor(std::string_view bytes, model::TimeRange range, model::SampleColumns& out);

}  // namespace narthex::chunk
