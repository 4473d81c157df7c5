#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace narthex::base {

#if defined(__SSE4_2__)
// SSE4.2 is part of the x86-64-v2 baseline.
uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  uint64_t sum = ~crc;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    sum = _mm_crc32_u64(sum, word);
  }
  auto sum32 = static_cast<uint32_t>(sum);
  for (; left > 0; ++at, --left) sum32 = _mm_crc32_u8(sum32, static_cast<uint8_t>(*at));
  return ~sum32;
}
#else
namespace {
constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82F63B78u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr auto kTable = MakeTable();
}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  uint32_t sum = ~crc;
  for (const char c : bytes) sum = (sum >> 8) ^ kTable[(sum ^ static_cast<uint8_t>(c)) & 0xff];
  return ~sum;
}
#endif

}  // namespace narthex::base
