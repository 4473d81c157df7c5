#include "chunk/xor_chunk.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "chunk/bit_stream.h"
#include "chunk/xor_code.h"

namespace narthex::chunk {
namespace {

// Puts bits behind others. What lies behind the written ones may be anything.
class BitWriter {
 public:
  BitWriter(char* to, uint32_t bit) : to_(to), bit_(bit) {}

  // REQUIRES: 1 <= count <= 57, no higher bits set.
  void Put(uint64_t value, unsigned count) {
    char* const at = to_ + (bit_ >> 3);
    const unsigned used = bit_ & 7;
    // The bits before this one, in the highest byte.
    const uint64_t kept = uint64_t{static_cast<uint8_t>(*at)} << 56 & ~(~uint64_t{0} >> used);
    base::StoreBigEndian<uint64_t>(at, kept | value << (64 - count) >> used);
    bit_ += count;
  }
  // Two fields at once. REQUIRES: together at most 121 bits, no higher bits set.
  void Put(uint64_t first, unsigned first_count, uint64_t second, unsigned second_count) {
    __extension__ using Wide = unsigned __int128;
    char* const at = to_ + (bit_ >> 3);
    const unsigned used = bit_ & 7;
    const unsigned count = first_count + second_count;
    const Wide both = (Wide{first} << second_count | second) << (128 - used - count);
    const uint64_t kept = uint64_t{static_cast<uint8_t>(*at)} << 56 & ~(~uint64_t{0} >> used);
    base::StoreBigEndian<uint64_t>(at, kept | static_cast<uint64_t>(both >> 64));
    base::StoreBigEndian<uint64_t>(at + 8, static_cast<uint64_t>(both));
    bit_ += count;
  }
  void Put64(uint64_t value) {
    Put(value >> 32, 32);
    Put(value & 0xffffffff, 32);
  }
  void PutUvarint(uint64_t value) {
    char varint[base::kVarintBytesMax];
    const char* const end = base::StoreUvarint(varint, value);
    for (const char* at = varint; at != end; ++at) Put(static_cast<uint8_t>(*at), 8);
  }
  uint32_t bit() const { return bit_; }

 private:
  char* const to_;
  uint32_t bit_;
};

}  // namespace

// All of a usual sample is put together before it is stored: a store that the next one reads again
// costs more than the shifts.
void WriteXorSample(char* to, uint32_t bit, XorCursor& cursor, model::Timestamp t, double v) {
  DCHECK(cursor.count == 0 || t > cursor.last_time);
  BitWriter writer(to, bit);
  XorCode code;
  if (PutShortSample(code, cursor, t, v)) {
    writer.Put(code.prefix, code.prefix_bits, code.field, code.field_bits);
    return;
  }
  const auto value = std::bit_cast<uint64_t>(v);
  if (cursor.count == 0) {
    writer.PutUvarint(base::ZigZag(t));
    writer.Put64(value);
  } else {
    const int64_t delta = t - cursor.last_time;
    if (cursor.count == 1) {
      writer.PutUvarint(static_cast<uint64_t>(delta));
    } else {
      writer.Put(0b1111, 4);
      writer.Put64(static_cast<uint64_t>(delta - cursor.last_delta));
    }
    cursor.last_delta = delta;
    PutChanged(code, value ^ cursor.last_value, cursor.leading, cursor.trailing);
    writer.Put(code.prefix, code.prefix_bits, code.field, code.field_bits);
  }
  cursor.last_time = t;
  cursor.last_value = value;
  cursor.bits += writer.bit() - bit;
  ++cursor.count;
}

XorChunk::XorChunk(XorChunk&& other) noexcept { *this = std::move(other); }

XorChunk& XorChunk::operator=(XorChunk&& other) noexcept {
  if (this == &other) return *this;
  std::free(buffer_);
  buffer_ = std::exchange(other.buffer_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  cursor_ = std::exchange(other.cursor_, XorCursor());
  return *this;
}

XorChunk::~XorChunk() { std::free(buffer_); }

void XorChunk::Reserve() {
  const size_t needed = cursor_.bits / 8 + kXorSampleBytesMax;
  if (needed <= capacity_) [[likely]]
    return;
  const size_t rounded = std::max<size_t>({needed, capacity_ + capacity_ / 2, 64});
  auto* const buffer = static_cast<char*>(std::realloc(buffer_, rounded));
  CHECK(buffer != nullptr);
  buffer_ = buffer;
  capacity_ = static_cast<uint32_t>(rounded);
}

void XorChunk::Append(model::Timestamp t, double v) {
  CHECK(cursor_.count < kSamplesMax);
  if (cursor_.count == 0) cursor_.bits = kXorHeaderBits;
  Reserve();
  WriteXorSample(buffer_, cursor_.bits, cursor_, t, v);
  base::StoreBigEndian(buffer_, cursor_.count);
}

namespace {

// The bits from `at` on, left-aligned; at least 57 of them are valid.
inline uint64_t Window(const char* bytes, size_t at) {
  return base::LoadBigEndian<uint64_t>(bytes + (at >> 3)) << (at & 7);
}

// Where a decoder stands behind a sample.
struct DecodedSample {
  uint64_t t;  // Wrapping arithmetic: damaged deltas must not be undefined behaviour.
  uint64_t value;
  uint64_t delta;
  unsigned shift = 0;     // Of a value's significant bits to the left end of a word,
  unsigned trailing = 0;  // and the zeros behind them.
};

// A time code that does not begin with 0. Moves `at` behind it.
uint64_t DeltaOfDelta(const char* bytes, size_t& at) {
  const uint64_t window = Window(bytes, at);
  const auto field = [&](unsigned prefix, unsigned size) {
    at += prefix + size;
    const uint64_t value = window << prefix >> (64 - size);
    return value > uint64_t{1} << (size - 1) ? value - (uint64_t{1} << size) : value;
  };
  if ((window >> 62) == 0b10) return field(2, 14);
  if ((window >> 61) == 0b110) return field(3, 17);
  if ((window >> 60) == 0b1110) return field(4, 20);
  const uint64_t high = Window(bytes, at + 4) >> 32;
  const uint64_t low = Window(bytes, at + 36) >> 32;
  at += 68;
  return high << 32 | low;
}

// A value code behind `used` bits, which are gone from `window` already. Moves `at` from before
// these bits behind it. False when it is impossible. Most samples are done with the one window.
inline bool TakeValue(const char* bytes, uint64_t window, unsigned used, size_t& at,
                      DecodedSample& sample) {
  constexpr unsigned kValid = 57;
  if ((window >> 63) == 0) {
    at += used + 1;
    return true;
  }
  if ((window >> 62) == 0b10) {
    window <<= 2;
    used += 2;
  } else {
    const unsigned leading = static_cast<unsigned>(window >> 57) & 31;
    const unsigned code = static_cast<unsigned>(window >> 51) & 63;
    const unsigned significant = code == 0 ? 64 : code;
    if (leading + significant > 64) return false;
    sample.shift = 64 - significant;
    sample.trailing = sample.shift - leading;
    window <<= 13;
    used += 13;
  }
  const unsigned significant = 64 - sample.shift;
  at += used;
  if (used + significant > kValid) [[unlikely]] {
    window = Window(bytes, at);
    if (significant > kValid) window = window >> 32 << 32 | Window(bytes, at + 32) >> 32;
  }
  sample.value ^= window >> sample.shift << sample.trailing;
  at += significant;
  return true;
}

// Decodes the samples behind a chunk's first one.
class SampleDecoder {
 public:
  // What one sample takes at most, with what reading it looks at behind, is 23 bytes.
  static constexpr size_t kBytesMax = 32;
  // Where samples go, and which.
  struct Output {
    model::TimeRange range;
    model::Timestamp* times;
    double* values;
  };
  enum class End { kLimit, kAll, kPastRange, kDamaged };

  // `delta`: from the first sample, which ends at bit `at`, to the second.
  SampleDecoder(model::Timestamp t, uint64_t value, uint64_t delta, size_t at)
      : sample_{.t = static_cast<uint64_t>(t), .value = value, .delta = delta}, at_(at) {}

  // Goes on to sample `count`, or to the first that begins at bit `limit` or behind, and says why
  // it stopped. A sample that goes beyond bit `end` is damaged. REQUIRES: kBytesMax bytes can be
  // read wherever a sample begins.
  End Run(const char* bytes, size_t limit, size_t end, unsigned count, Output& out);

  unsigned next() const { return next_; }
  size_t at() const { return at_; }
  // Bits are counted from there on.
  void MoveOrigin(size_t bits) { at_ -= bits; }

 private:
  DecodedSample sample_;
  size_t at_;
  unsigned next_ = 1;
};

// All that changes from sample to sample is in locals, which fit in registers.
SampleDecoder::End SampleDecoder::Run(const char* bytes, size_t limit, size_t end, unsigned count,
                                      Output& out) {
  DecodedSample sample = sample_;
  size_t at = at_;
  unsigned i = next_;
  Output to = out;
  End why = End::kAll;
  for (; i < count; ++i) {
    if (at >= limit) {
      why = End::kLimit;
      break;
    }
    uint64_t window = Window(bytes, at);
    unsigned used = 0;
    if (i > 1) {
      if ((window >> 63) == 0) [[likely]] {
        window <<= 1;
        used = 1;
      } else {
        sample.delta += DeltaOfDelta(bytes, at);
        window = Window(bytes, at);
      }
    }
    sample.t += sample.delta;
    if (!TakeValue(bytes, window, used, at, sample) || at > end) [[unlikely]] {
      why = End::kDamaged;
      break;
    }
    const auto t = static_cast<model::Timestamp>(sample.t);
    if (t > to.range.max) {
      why = End::kPastRange;
      break;
    }
    // What is too early is overwritten by what comes next.
    *to.times = t;
    *to.values = std::bit_cast<double>(sample.value);
    const ptrdiff_t kept = t >= to.range.min ? 1 : 0;
    to.times += kept;
    to.values += kept;
  }
  sample_ = sample;
  at_ = at;
  next_ = i;
  out = to;
  return why;
}

// All samples behind the first. Most are read where they are; the last from a copy that has zeros
// behind it, so that none looks beyond the end.
SampleDecoder::End DecodeRest(std::string_view bytes, unsigned count, SampleDecoder& decoder,
                              SampleDecoder::Output& out) {
  constexpr size_t kBytesMax = SampleDecoder::kBytesMax;
  const size_t end = bytes.size() * 8;
  if (bytes.size() >= kBytesMax) {
    const size_t limit = (bytes.size() - kBytesMax + 1) * 8;
    const SampleDecoder::End why = decoder.Run(bytes.data(), limit, end, count, out);
    if (why != SampleDecoder::End::kLimit) return why;
  }
  char padded[2 * kBytesMax] = {};
  const std::string_view rest = bytes.substr(decoder.at() / 8);
  CHECK(rest.size() < kBytesMax);
  std::memcpy(padded, rest.data(), rest.size());
  const size_t before = end - rest.size() * 8;
  decoder.MoveOrigin(before);
  return decoder.Run(padded, kBytesMax * 8, end - before, count, out);
}

}  // namespace

base::Status DecodeXor(std::string_view bytes, model::TimeRange range, model::SampleColumns& out) {
  if (bytes.size() < 2) return base::Fail(base::Code::kDataLoss, "chunk: no header");
  const auto count = base::LoadBigEndian<uint16_t>(bytes.data());
  if (count == 0) return {};
  const auto damaged = [count](unsigned index) {
    return base::Fail(base::Code::kDataLoss, "chunk: damaged at sample {} of {}", index, count);
  };
  BitReader reader(bytes);
  reader.Skip(kXorHeaderBits);
  const model::Timestamp t = reader.ReadVarint();
  const uint64_t value = reader.Read64();
  if (reader.overrun()) return damaged(0);
  // Room for all is made first: checking for it at each sample would cost as much as decoding.
  const size_t before = out.size();
  out.t.resize(before + count);
  out.v.resize(before + count);
  SampleDecoder::Output to{range, out.t.data() + before, out.v.data() + before};
  if (range.Contains(t)) {
    *to.times++ = t;
    *to.values++ = std::bit_cast<double>(value);
  }
  base::Status status;
  if (count > 1) {
    const uint64_t delta = reader.ReadUvarint();
    SampleDecoder decoder(t, value, delta, reader.position());
    const auto why =
        reader.overrun() ? SampleDecoder::End::kDamaged : DecodeRest(bytes, count, decoder, to);
    CHECK(why != SampleDecoder::End::kLimit);
    if (why == SampleDecoder::End::kDamaged) status = damaged(decoder.next());
  }
  out.t.resize(static_cast<size_t>(to.times - out.t.data()));
  out.v.resize(static_cast<size_t>(to.values - out.v.data()));
  if (out.HasHistograms()) out.histograms.resize(out.size());
  if (out.HasStarts()) out.starts.resize(out.size());
  return status;
}

}  // namespace narthex::chunk
