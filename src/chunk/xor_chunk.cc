#include "chunk/xor_chunk.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "chunk/bit_stream.h"

namespace narthex::chunk {
namespace {

constexpr uint32_t kHeaderBits = 16;
// The widest sample: 4 + 64 bits of time, 2 + 5 + 6 + 64 of value; the first has 80 + 64.
constexpr size_t kSampleBitsMax = 160;
// Slack for the 8-byte read-modify-write behind the last bit.
constexpr size_t kSlackBytes = 16;

// A field of n bits holds -(2^(n-1)-1) … 2^(n-1): the shifted range of the format.
constexpr bool Fits(int64_t value, unsigned bits) {
  return -((int64_t{1} << (bits - 1)) - 1) <= value && value <= int64_t{1} << (bits - 1);
}

}  // namespace

XorChunk::XorChunk(XorChunk&& other) noexcept { *this = std::move(other); }

XorChunk& XorChunk::operator=(XorChunk&& other) noexcept {
  if (this == &other) return *this;
  std::free(buffer_);
  buffer_ = std::exchange(other.buffer_, nullptr);
  bits_ = std::exchange(other.bits_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  last_time_ = other.last_time_;
  last_delta_ = other.last_delta_;
  last_value_ = other.last_value_;
  count_ = std::exchange(other.count_, uint16_t{0});
  leading_ = std::exchange(other.leading_, uint8_t{0xff});
  trailing_ = other.trailing_;
  return *this;
}

XorChunk::~XorChunk() { std::free(buffer_); }

void XorChunk::Reserve(size_t more_bits) {
  const size_t needed = (bits_ + more_bits + 7) / 8 + kSlackBytes;
  if (needed <= capacity_) [[likely]]
    return;
  // Steps of half the size keep the slack small: a head has millions of these.
  const size_t grown = std::max<size_t>({needed, capacity_ + capacity_ / 2, 64});
  const size_t rounded = (grown + 15) & ~size_t{15};
  auto* const buffer = static_cast<char*>(std::realloc(buffer_, rounded));
  CHECK(buffer != nullptr);
  std::memset(buffer + capacity_, 0, rounded - capacity_);
  buffer_ = buffer;
  capacity_ = static_cast<uint32_t>(rounded);
}

void XorChunk::PutBits(uint64_t value, unsigned count) {
  char* const at = buffer_ + (bits_ >> 3);
  const uint64_t word = base::LoadBigEndian<uint64_t>(at);
  base::StoreBigEndian<uint64_t>(at, word | (value << (64 - count) >> (bits_ & 7)));
  bits_ += count;
}

void XorChunk::Put64(uint64_t value) {
  PutBits(value >> 32, 32);
  PutBits(value & 0xffffffff, 32);
}

void XorChunk::Append(model::Timestamp t, double v) {
  DCHECK(count_ == 0 || t > last_time_);
  CHECK(count_ < kSamplesMax);
  Reserve(kSampleBitsMax);
  if (count_ == 0) {
    bits_ = kHeaderBits;
    char varint[base::kVarintBytesMax];
    const char* const end = base::StoreVarint(varint, t);
    for (const char* at = varint; at != end; ++at) PutBits(static_cast<uint8_t>(*at), 8);
    Put64(std::bit_cast<uint64_t>(v));
  } else if (count_ == 1) {
    last_delta_ = t - last_time_;
    char varint[base::kVarintBytesMax];
    const char* const end = base::StoreUvarint(varint, static_cast<uint64_t>(last_delta_));
    for (const char* at = varint; at != end; ++at) PutBits(static_cast<uint8_t>(*at), 8);
    PutValue(v);
  } else {
    const int64_t delta = t - last_time_;
    PutTime(delta - last_delta_);
    last_delta_ = delta;
    PutValue(v);
  }
  last_time_ = t;
  last_value_ = v;
  ++count_;
  base::StoreBigEndian(buffer_, count_);
}

void XorChunk::PutTime(int64_t delta_of_delta) {
  const auto bits = static_cast<uint64_t>(delta_of_delta);
  if (delta_of_delta == 0) {
    PutBits(0, 1);
  } else if (Fits(delta_of_delta, 14)) {
    PutBits(uint64_t{0b10} << 14 | (bits & 0x3fff), 16);
  } else if (Fits(delta_of_delta, 17)) {
    PutBits(uint64_t{0b110} << 17 | (bits & 0x1ffff), 20);
  } else if (Fits(delta_of_delta, 20)) {
    PutBits(uint64_t{0b1110} << 20 | (bits & 0xfffff), 24);
  } else {
    PutBits(0b1111, 4);
    Put64(bits);
  }
}

void XorChunk::PutValue(double v) {
  const uint64_t changed = std::bit_cast<uint64_t>(v) ^ std::bit_cast<uint64_t>(last_value_);
  if (changed == 0) {
    PutBits(0, 1);
    return;
  }
  const auto leading = static_cast<uint8_t>(std::min(std::countl_zero(changed), 31));
  const auto trailing = static_cast<uint8_t>(std::countr_zero(changed));
  if (leading_ != 0xff && leading >= leading_ && trailing >= trailing_) {
    PutBits(0b10, 2);
  } else {
    leading_ = leading;
    trailing_ = trailing;
    const unsigned significant = 64u - leading - trailing;
    PutBits(uint64_t{0b11} << 11 | uint64_t{leading} << 6 | (significant & 63), 13);
  }
  const unsigned significant = 64u - leading_ - trailing_;
  const uint64_t field = changed >> trailing_;
  if (significant > 32) {
    PutBits(field >> 32, significant - 32);
    PutBits(field & 0xffffffff, 32);
  } else {
    PutBits(field, significant);
  }
}

namespace {

// Reads the value codes that follow the first sample.
class ValueDecoder {
 public:
  explicit ValueDecoder(uint64_t first) : value_(first) {}

  // False when the code is impossible.
  bool Next(BitReader& reader) {
    const uint64_t window = reader.Peek();
    if ((window >> 63) == 0) {
      reader.Skip(1);
      return true;
    }
    if ((window >> 62) == 0b10) {
      reader.Skip(2);
    } else {
      leading_ = static_cast<unsigned>(window >> 57) & 31;
      significant_ = static_cast<unsigned>(window >> 51) & 63;
      if (significant_ == 0) significant_ = 64;
      if (leading_ + significant_ > 64) return false;
      reader.Skip(13);
    }
    const unsigned trailing = 64 - leading_ - significant_;
    uint64_t field;
    if (significant_ <= 57) {
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
  reader.Skip(kHeaderBits);
  model::Timestamp t = reader.ReadVarint();
  ValueDecoder value(reader.Read64());
  if (reader.overrun()) return damaged(0);
  if (range.Contains(t)) out.Add(t, value.value());
  // Wrapping arithmetic: damaged deltas must not be undefined behaviour.
  uint64_t delta = 0;
  for (unsigned i = 1; i < count; ++i) {
    delta = i == 1 ? reader.ReadUvarint() : delta + static_cast<uint64_t>(ReadDeltaOfDelta(reader));
    t = static_cast<model::Timestamp>(static_cast<uint64_t>(t) + delta);
    if (!value.Next(reader) || reader.overrun()) return damaged(i);
    if (t > range.max) break;
    if (t >= range.min) out.Add(t, value.value());
  }
  return {};
}

}  // namespace narthex::chunk
