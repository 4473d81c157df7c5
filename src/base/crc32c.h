#pragma once

#include <cstdint>
#include <string_view>

namespace narthex::base {

// CRC-32C (Castagnoli), as every Prometheus file uses it. `crc` continues an earlier sum.
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

}  // namespace narthex::base
