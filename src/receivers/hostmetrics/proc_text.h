#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"

namespace narthex::receivers {

// Reading what the kernel writes under /proc: lines of words. Nothing is taken for granted; what
// does not look right is passed over. Source: proc(5).

// The unit of times there, the same on every Linux.
inline constexpr double kTicksPerSecond = 100;

using base::Lines;
using base::Words;
std::optional<uint64_t> ToUint(std::string_view word);
std::optional<double> ToDouble(std::string_view word);
// The number at that place of the words, 0 where there is none.
uint64_t UintAt(const std::vector<std::string_view>& words, size_t index);
// "\040" for a blank and the like, as in /proc/mounts.
std::string Unescape(std::string_view text);
// The value of "name: 12 kB" or "name 12", without its unit.
std::optional<uint64_t> ValueOf(std::string_view text, std::string_view name);

}  // namespace narthex::receivers
