#include "chunk/bit_string.h"

#include <algorithm>

#include "base/bytes.h"

namespace narthex::chunk {

void BitString::Put(uint64_t value, unsigned count) {
  while (count > 0) {
    if (free_ == 0) {
      bytes_ += '\0';
      free_ = 8;
    }
    const unsigned taken = std::min(count, free_);
    const uint64_t part = (value >> (count - taken)) & ((uint64_t{1} << taken) - 1);
    bytes_.back() = static_cast<char>(static_cast<uint8_t>(bytes_.back()) |
                                      static_cast<uint8_t>(part << (free_ - taken)));
    free_ -= taken;
    count -= taken;
  }
}

void BitString::PutUvarint(uint64_t value) {
  char varint[base::kVarintBytesMax];
  const char* const end = base::StoreUvarint(varint, value);
  for (const char* at = varint; at != end; ++at) Put(static_cast<uint8_t>(*at), 8);
}

void BitString::PutVarint(int64_t value) { PutUvarint(base::ZigZag(value)); }

}  // namespace narthex::chunk
