#include "chunk/varbit.h"

#include <bit>

namespace narthex::chunk {
namespace {

// Payload widths of varbit integers; a prefix of i ones and a zero stands for the i-th, eight ones
// for the last.
constexpr unsigned kWidths[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};

void PutPrefixed(BitString& out, unsigned which, uint64_t value) {
  out.Put(which == 8 ? 0xff : (uint64_t{1} << (which + 1)) - 2, which == 8 ? 8 : which + 1);
  const unsigned width = kWidths[which];
  if (width == 64) {
    out.Put(value, 64);
  } else if (width > 0) {
    out.Put(value & ((uint64_t{1} << width) - 1), width);
  }
}

unsigned ReadPrefix(BitReader& reader) {
  const auto ones = static_cast<unsigned>(std::countl_one(reader.Peek()));
  if (ones >= 8) {
    reader.Skip(8);
    return 8;
  }
  reader.Skip(ones + 1);
  return ones;
}

}  // namespace

void PutVarbitInt(BitString& out, int64_t value) {
  unsigned which = value == 0 ? 0 : 1;
  // A field of n bits holds -(2^(n-1)-1) … 2^(n-1).
  while (which > 0 && which < 8) {
    const int64_t half = int64_t{1} << (kWidths[which] - 1);
    if (-(half - 1) <= value && value <= half) break;
    ++which;
  }
  PutPrefixed(out, which, static_cast<uint64_t>(value));
}

void PutVarbitUint(BitString& out, uint64_t value) {
  unsigned which = 0;
  while (which < 8 && (value >> kWidths[which]) != 0) ++which;
  PutPrefixed(out, which, value);
}

uint64_t ReadVarbitUint(BitReader& reader) {
  const unsigned width = kWidths[ReadPrefix(reader)];
  if (width == 64) return reader.Read64();
  return width == 0 ? 0 : reader.Read(width);
}

int64_t ReadVarbitInt(BitReader& reader) {
  const unsigned width = kWidths[ReadPrefix(reader)];
  if (width == 0) return 0;
  if (width == 64) return static_cast<int64_t>(reader.Read64());
  const auto value = static_cast<int64_t>(reader.Read(width));
  return value > int64_t{1} << (width - 1) ? value - (int64_t{1} << width) : value;
}

}  // namespace narthex::chunk
