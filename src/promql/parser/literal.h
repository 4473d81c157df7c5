#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace narthex::promql {

// A number as PromQL spells it, without sign: decimal, exponent, hexadecimal (`0x1F`), octal
// (`017`, `0o17`), binary, underscores between digits, Inf and NaN in any case.
std::optional<double> ParseNumber(std::string_view text);

// "1h30m" in seconds. nullopt for what is no duration, or out of range.
std::optional<double> ParseDurationSeconds(std::string_view text);

}  // namespace narthex::promql
