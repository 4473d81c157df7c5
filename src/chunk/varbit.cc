#include "chunk/varbit.h"

namespace narthex::chunk {
namespace {

void PutPrefixed(BitString& out, unsigned which, uint64_t value) {
  out.Put(which == 8 ? 0xff : (uint64_t{1} << (which + 1)) - 2, which == 8 ? 8 : which + 1);
  const unsigned width = kVarbitWidths[which];
  if (width == 64) {
    out.Put(value, 64);
  } else if (width > 0) {
    out.Put(value & ((uint64_t{1} << width) - 1), width);
  }
}

}  // namespace

void PutVarbitInt(BitString& out, int64_t value) {
  unsigned which = value == 0 ? 0 : 1;
  // A field of n bits holds -(2^(n-1)-1) … 2^(n-1).
  while (which > 0 && which < 8) {
    const int64_t half = int64_t{1} << (kVarbitWidths[which] - 1);
    if (-(half - 1) <= value && value <= half) break;
    ++which;
  }
  PutPrefixed(out, which, static_cast<uint64_t>(value));
}

void PutVarbitUint(BitString& out, uint64_t value) {
  unsigned which = 0;
  while (which < 8 && (value >> kVarbitWidths[which]) != 0) ++which;
  PutPrefixed(out, which, value);
}

}  // namespace narthex::chunk
