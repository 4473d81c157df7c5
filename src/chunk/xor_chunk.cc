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
    PutValue(code, cursor, value);
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

// Reads the value codes that follow the first sample.
class ValueDecoder {
 public:
  explicit ValueDecoder(uint64_t first) : value_(first) {}

  // The code behind the first `used` bits of `window`, of which 57 are valid. False when it is
  // impossible. Most samples are done with the one window.
  bool Next(BitReader& reader, uint64_t window, unsigned used) {
    constexpr unsigned kValid = 57;
    uint64_t rest = window << used;
    if ((rest >> 63) == 0) {
      reader.Skip(used + 1);
      return true;
    }
    if ((rest >> 62) == 0b10) {
      rest <<= 2;
      used += 2;
    } else {
      leading_ = static_cast<unsigned>(rest >> 57) & 31;
      significant_ = static_cast<unsigned>(rest >> 51) & 63;
      if (significant_ == 0) significant_ = 64;
      if (leading_ + significant_ > 64) return false;
      rest <<= 13;
      used += 13;
    }
    const unsigned trailing = 64 - leading_ - significant_;
    if (used + significant_ <= kValid) [[likely]] {
      value_ ^= rest >> (64 - significant_) << trailing;
      reader.Skip(used + significant_);
      return true;
    }
    reader.Skip(used);
    uint64_t field = 0;
    if (significant_ <= 32) {
      field = reader.Read(significant_);
    } else {
      field = reader.Read(significant_ - 32) << 32;
      field |= reader.Read(32);
    }
    value_ ^= field << trailing;
    return true;
  }
  double value() const { return std::bit_cast<double>(value_); }

 private:
  uint64_t value_;
  unsigned leading_ = 0;
  unsigned significant_ = 64;
};

int64_t ReadDeltaOfDelta(BitReader& reader) {
  const uint64_t window = reader.Peek();
  if ((window >> 63) == 0) {
    reader.Skip(1);
    return 0;
  }
  const auto field = [&](unsigned prefix, unsigned bits) {
    reader.Skip(prefix + bits);
    const auto value = static_cast<int64_t>(window << prefix >> (64 - bits));
    return value > int64_t{1} << (bits - 1) ? value - (int64_t{1} << bits) : value;
  };
  if ((window >> 62) == 0b10) return field(2, 14);
  if ((window >> 61) == 0b110) return field(3, 17);
  if ((window >> 60) == 0b1110) return field(4, 20);
  reader.Skip(4);
  return static_cast<int64_t>(reader.Read64());
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
  model::Timestamp t = reader.ReadVarint();
  ValueDecoder value(reader.Read64());
  if (reader.overrun()) return damaged(0);
  // Room for all is made first: checking for it at each sample would cost as much as decoding.
  const size_t before = out.size();
  out.t.resize(before + count);
  out.v.resize(before + count);
  model::Timestamp* times = out.t.data() + before;
  double* values = out.v.data() + before;
  const auto add = [&] {
    *times++ = t;
    *values++ = value.value();
  };
  if (range.Contains(t)) add();
  base::Status status;
  // Wrapping arithmetic: damaged deltas must not be undefined behaviour.
  uint64_t delta = 0;
  for (unsigned i = 1; i < count; ++i) {
    unsigned used = 0;
    if (i == 1) delta = reader.ReadUvarint();
    uint64_t window = reader.Peek();
    if (i > 1) {
      if ((window >> 63) == 0) {
        used = 1;
      } else {
        delta += static_cast<uint64_t>(ReadDeltaOfDelta(reader));
        window = reader.Peek();
      }
    }
    t = static_cast<model::Timestamp>(static_cast<uint64_t>(t) + delta);
    if (!value.Next(reader, window, used) || reader.overrun()) [[unlikely]] {
      status = damaged(i);
      break;
    }
    if (t > range.max) break;
    if (t >= range.min) add();
  }
  out.t.resize(static_cast<size_t>(times - out.t.data()));
  out.v.resize(static_cast<size_t>(values - out.v.data()));
  if (out.HasHistograms()) out.histograms.resize(out.size());
  if (out.HasStarts()) out.starts.resize(out.size());
  return status;
}

}  // namespace narthex::chunk
