#pragma once

#include <cstdint>

#include "chunk/bit_stream.h"
#include "chunk/bit_string.h"

namespace narthex::chunk {

// Integers as a prefix of ones and a field: docs/format/histogram-chunk.md.
void PutVarbitInt(BitString& out, int64_t value);
void PutVarbitUint(BitString& out, uint64_t value);
int64_t ReadVarbitInt(BitReader& reader);
uint64_t ReadVarbitUint(BitReader& reader);

}  // namespace narthex::chunk
