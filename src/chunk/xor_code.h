#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "chunk/xor_chunk.h"

namespace narthex::chunk {

// The bits of a sample as registers hold them, the first ones highest: `prefix_bits` of `prefix`,
// then `field_bits` of `field`. No higher bits are set.
struct XorCode {
  uint64_t prefix = 0;
  unsigned prefix_bits = 0;  // At most 37.
  uint64_t field = 0;
  unsigned field_bits = 0;  // At most 64.

  void PutPrefix(uint64_t value, unsigned width) {
    prefix = prefix << width | value;
    prefix_bits += width;
  }
};

// A field of n bits holds -(2^(n-1)-1) … 2^(n-1): the shifted range of the format.
constexpr bool FitsShifted(int64_t value, unsigned bits) {
  return -((int64_t{1} << (bits - 1)) - 1) <= value && value <= int64_t{1} << (bits - 1);
}

// At most 24 bits. False where it takes more.
inline bool PutShortTime(XorCode& code, int64_t delta_of_delta) {
  const auto bits = static_cast<uint64_t>(delta_of_delta);
  if (delta_of_delta == 0) {
    code.PutPrefix(0, 1);
  } else if (FitsShifted(delta_of_delta, 14)) {
    code.PutPrefix(uint64_t{0b10} << 14 | (bits & 0x3fff), 16);
  } else if (FitsShifted(delta_of_delta, 17)) {
    code.PutPrefix(uint64_t{0b110} << 17 | (bits & 0x1ffff), 20);
  } else if (FitsShifted(delta_of_delta, 20)) {
    code.PutPrefix(uint64_t{0b1110} << 20 | (bits & 0xfffff), 24);
  } else {
    return false;
  }
  return true;
}

// The bits that differ from the value before, behind those that say where they are. Moves the
// window of significant bits; a `leading` of 0xff: there is none yet.
inline void PutChanged(XorCode& code, uint64_t changed, uint8_t& leading, uint8_t& trailing) {
  if (changed == 0) {
    code.PutPrefix(0, 1);
    return;
  }
  const auto zeros_before = static_cast<uint8_t>(std::min(std::countl_zero(changed), 31));
  const auto zeros_behind = static_cast<uint8_t>(std::countr_zero(changed));
  if (leading != 0xff && zeros_before >= leading && zeros_behind >= trailing) {
    code.PutPrefix(0b10, 2);
  } else {
    leading = zeros_before;
    trailing = zeros_behind;
    const unsigned significant = 64u - leading - trailing;
    code.PutPrefix(uint64_t{0b11} << 11 | uint64_t{leading} << 6 | (significant & 63), 13);
  }
  code.field = changed >> trailing;
  code.field_bits = 64u - leading - trailing;
}

// The whole of a sample where that is short, as that of a third or later one mostly is; the cursor
// is then where WriteXorSample leaves it. False, and nothing done, where only that can write it.
inline bool PutShortSample(XorCode& code, XorCursor& cursor, model::Timestamp t, double v) {
  if (cursor.count < 2) return false;
  const int64_t delta = t - cursor.last_time;
  if (!PutShortTime(code, delta - cursor.last_delta)) return false;
  const auto value = std::bit_cast<uint64_t>(v);
  PutChanged(code, value ^ cursor.last_value, cursor.leading, cursor.trailing);
  cursor.last_delta = delta;
  cursor.last_time = t;
  cursor.last_value = value;
  cursor.bits += code.prefix_bits + code.field_bits;
  ++cursor.count;
  return true;
}

}  // namespace narthex::chunk
