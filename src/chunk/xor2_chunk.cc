#include "chunk/xor2_chunk.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "base/check.h"

namespace narthex::chunk {
namespace {

constexpr unsigned kHeaderBits = 24;  // The number of samples, and a byte about start times.
constexpr unsigned kShortBits = 13;
constexpr unsigned kLongBits = 20;

// A field of n bits is a two's complement number, unlike those of the XOR chunk.
constexpr bool Fits(int64_t value, unsigned bits) {
  return -(int64_t{1} << (bits - 1)) <= value && value < int64_t{1} << (bits - 1);
}

int64_t ReadField(BitReader& reader, unsigned bits) {
  const auto value = static_cast<int64_t>(reader.Read(bits));
  return value >= int64_t{1} << (bits - 1) ? value - (int64_t{1} << bits) : value;
}

int64_t Plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t Minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

// Codes for the window of significant bits.
struct WindowCodes {
  uint64_t same;  // That of the value before.
  unsigned same_bits;
  uint64_t anew;
  unsigned anew_bits;
};

void PutChanged(BitString& out, XorState& state, double v, const WindowCodes& window) {
  const auto bits = std::bit_cast<uint64_t>(v);
  const uint64_t changed = bits ^ state.bits;
  state.bits = bits;
  const auto leading = static_cast<uint8_t>(std::min(std::countl_zero(changed), 31));
  const auto trailing = static_cast<uint8_t>(std::countr_zero(changed));
  if (state.leading != 0xff && leading >= state.leading && trailing >= state.trailing) {
    out.Put(window.same, window.same_bits);
  } else {
    state.leading = leading;
    state.trailing = trailing;
    out.Put(window.anew, window.anew_bits);
    out.Put(leading, 5);
    out.Put((64u - leading - trailing) & 63, 6);
  }
  out.Put(changed >> state.trailing, 64u - state.leading - state.trailing);
}

class ValueReader {
 public:
  explicit ValueReader(uint64_t first)
      : bits_(model::IsStaleNan(std::bit_cast<double>(first)) ? 0 : first), shown_(first) {}

  double value() const { return std::bit_cast<double>(shown_); }
  void Stale() { shown_ = model::kStaleNanBits; }
  void Unchanged() { shown_ = bits_; }
  // False when the code is impossible.
  bool ReadChanged(BitReader& reader) {
    if (reader.ReadBit()) return ReadWindow(reader);
    ReadBits(reader);
    return true;
  }
  bool Read(BitReader& reader) {
    if (!reader.ReadBit()) {
      Unchanged();
    } else if (!reader.ReadBit()) {
      ReadBits(reader);
    } else if (!reader.ReadBit()) {
      return ReadWindow(reader);
    } else {
      Stale();
    }
    return true;
  }

 private:
  bool ReadWindow(BitReader& reader) {
    leading_ = static_cast<unsigned>(reader.Read(5));
    const auto field = static_cast<unsigned>(reader.Read(6));
    significant_ = field == 0 ? 64 : field;
    if (leading_ + significant_ > 64) return false;
    ReadBits(reader);
    return true;
  }
  void ReadBits(BitReader& reader) {
    uint64_t field = 0;
    if (significant_ > 32) field = reader.Read(significant_ - 32) << 32;
    field |= reader.Read(std::min(significant_, 32u));
    bits_ ^= field << (64 - leading_ - significant_);
    shown_ = bits_;
  }

  uint64_t bits_;   // Of the last value that was no stale marker.
  uint64_t shown_;  // Of the last sample.
  unsigned leading_ = 0;
  unsigned significant_ = 64;
};

}  // namespace

Xor2Chunk::Xor2Chunk() { out_.Put(0, kHeaderBits); }

void Xor2Chunk::PutValue(double v) {
  if (model::IsStaleNan(v)) return out_.Put(0b111, 3);
  if (std::bit_cast<uint64_t>(v) == value_.bits) return out_.Put(0, 1);
  PutChanged(out_, value_, v, {.same = 0b10, .same_bits = 2, .anew = 0b110, .anew_bits = 3});
}

void Xor2Chunk::Append(model::Timestamp t, double v, model::Timestamp start) {
  CHECK(count_ < kSamplesMax && (count_ == 0 || t > last_time_));
  const int64_t delta = Minus(t, last_time_);
  const int64_t change = Minus(delta, delta_);
  if (count_ == 0) {
    out_.PutVarint(t);
    out_.Put(std::bit_cast<uint64_t>(v), 64);
    if (!model::IsStaleNan(v)) value_.bits = std::bit_cast<uint64_t>(v);
  } else if (count_ == 1) {
    out_.PutUvarint(static_cast<uint64_t>(delta));
    PutValue(v);
  } else if (change != 0) {
    const auto bits = static_cast<uint64_t>(change);
    if (Fits(change, kShortBits)) {
      out_.Put(0b110, 3);
      out_.Put(bits & ((1u << kShortBits) - 1), kShortBits);
    } else if (Fits(change, kLongBits)) {
      out_.Put(0b1110, 4);
      out_.Put(bits & ((1u << kLongBits) - 1), kLongBits);
    } else {
      out_.Put(0b11110, 5);
      out_.Put(bits, 64);
    }
    PutValue(v);
  } else if (model::IsStaleNan(v)) {
    out_.Put(0b11111, 5);
  } else if (std::bit_cast<uint64_t>(v) == value_.bits) {
    out_.Put(0, 1);
  } else {
    out_.Put(0b10, 2);
    PutChanged(out_, value_, v, {.same = 0, .same_bits = 1, .anew = 1, .anew_bits = 1});
  }
  starts_.Put(out_, count_, t, last_time_, start);
  if (count_ > 0) delta_ = delta;
  last_time_ = t;
  last_value_ = v;
  ++count_;
  base::StoreBigEndian(out_.bytes().data(), count_);
}

base::Status DecodeXor2(std::string_view bytes, model::TimeRange range, model::SampleColumns& out) {
  if (bytes.size() * 8 < kHeaderBits) return base::Fail(base::Code::kDataLoss, "chunk: no header");
  const auto count = base::LoadBigEndian<uint16_t>(bytes.data());
  if (count == 0) return {};
  const auto damaged = [count](unsigned index) {
    return base::Fail(base::Code::kDataLoss, "chunk: damaged at sample {} of {}", index, count);
  };
  BitReader reader(bytes);
  reader.Skip(kHeaderBits);
  StartTimeReader starts(static_cast<uint8_t>(bytes[kStartHeaderOffset]));
  int64_t t = reader.ReadVarint();
  ValueReader value(reader.Read64());
  starts.Read(reader, 0, t, t);
  int64_t delta = 0;
  for (unsigned number = 0;;) {
    if (reader.overrun()) return damaged(number);
    if (t > range.max) return {};
    if (t >= range.min) {
      out.Add(t, value.value());
      out.SetLastStart(starts.start());
    }
    if (++number == count) return {};
    bool fits = true;
    if (number == 1) {
      delta = static_cast<int64_t>(reader.ReadUvarint());
      fits = value.Read(reader);
    } else {
      const auto ones = std::min(std::countl_one(reader.Peek()), 5);
      reader.Skip(static_cast<unsigned>(std::min(ones + 1, 5)));
      if (ones == 0) {
        value.Unchanged();
      } else if (ones == 1) {
        fits = value.ReadChanged(reader);
      } else if (ones == 5) {
        value.Stale();
      } else {
        const int64_t change = ones == 2   ? ReadField(reader, kShortBits)
                               : ones == 3 ? ReadField(reader, kLongBits)
                                           : static_cast<int64_t>(reader.Read64());
        delta = Plus(delta, change);
        fits = value.Read(reader);
      }
    }
    const int64_t before = t;
    t = Plus(t, delta);
    starts.Read(reader, number, t, before);
    if (!fits) return damaged(number);
  }
}

}  // namespace narthex::chunk
