#include "model/byte_size.h"

#include <array>
#include <charconv>
#include <cmath>

namespace narthex::model {
namespace {

constexpr std::string_view kPrefixes = "KMGTPE";

}  // namespace

base::Result<uint64_t> ParseBytes(std::string_view text) {
  const auto invalid = [text] {
    return base::Fail(base::Code::kInvalidArgument, "\"{}\" is not a size (such as 512MB)", text);
  };
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return invalid();
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit.ends_with("iB")) {
    unit.remove_suffix(2);
  } else if (unit.ends_with('B')) {
    unit.remove_suffix(1);
  } else if (!unit.empty()) {
    return invalid();
  }
  double factor = 1;
  if (!unit.empty()) {
    const size_t power = unit.size() == 1 ? kPrefixes.find(unit[0]) : std::string_view::npos;
    if (power == std::string_view::npos) return invalid();
    factor = std::ldexp(1.0, 10 * (static_cast<int>(power) + 1));
  }
  if (number * factor >= 0x1p63) return invalid();
  return static_cast<uint64_t>(number * factor);
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes == 0) return "0B";
  std::string text;
  for (size_t power = kPrefixes.size(); power > 0; --power) {
    const uint64_t unit = uint64_t{1} << (10 * power);
    if (bytes < unit) continue;
    text += fmt::format("{}{}iB", bytes / unit, kPrefixes[power - 1]);
    bytes %= unit;
  }
  if (bytes > 0) text += fmt::format("{}B", bytes);
  return text;
}

}  // namespace narthex::model
