#pragma once

#include <bit>
#include <cstdint>

#include "chunk/bit_stream.h"
#include "chunk/bit_string.h"

namespace narthex::chunk {

// Integers as a prefix of ones and a field: docs/format/histogram-chunk.md.
void PutVarbitInt(BitString& out, int64_t value);
void PutVarbitUint(BitString& out, uint64_t value);
// Payload widths of varbit integers; a prefix of i ones and a zero stands for the i-th, eight ones
// for the last.
inline constexpr unsigned kVarbitWidths[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};

inline unsigned ReadVarbitPrefix(BitReader& reader) {
  const auto ones = static_cast<unsigned>(std::countl_one(reader.Peek()));
  if (ones >= 8) {
    reader.Skip(8);
    return 8;
  }
  reader.Skip(ones + 1);
  return ones;
}

inline uint64_t ReadVarbitUint(BitReader& reader) {
  const unsigned width = kVarbitWidths[ReadVarbitPrefix(reader)];
  if (width == 64) return reader.Read64();
  return width == 0 ? 0 : reader.Read(width);
}

inline int64_t ReadVarbitInt(BitReader& reader) {
  const unsigned width = kVarbitWidths[ReadVarbitPrefix(reader)];
  if (width == 0) return 0;
  if (width == 64) return static_cast<int64_t>(reader.Read64());
  const auto value = static_cast<int64_t>(reader.Read(width));
  return value > int64_t{1} << (width - 1) ? value - (int64_t{1} << width) : value;
}

}  // namespace narthex::chunk
