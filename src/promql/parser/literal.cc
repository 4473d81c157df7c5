#include "promql/parser/literal.h"

#include <charconv>
#include <cmath>
#include <string>

#include "model/duration.h"
#include "model/number.h"

namespace narthex::promql {
namespace {

std::optional<double> ParseInteger(std::string_view digits, int radix) {
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, radix);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<double>(value);
}

// Underscores may stand between digits and after a radix prefix only.
std::optional<std::string> DropUnderscores(std::string_view text) {
  std::string digits;
  char before = '_';
  for (const char c : text) {
    if (c == '_' && before == '_') return std::nullopt;
    if (c != '_') digits += c;
    before = c;
  }
  if (before == '_') return std::nullopt;
  return digits;
}

}  // namespace

std::optional<double> ParseNumber(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::string plain;
  if (text.find('_') != std::string_view::npos) {
    const std::optional<std::string> digits = DropUnderscores(text);
    if (!digits) return std::nullopt;
    plain = *digits;
    text = plain;
  }
  if (text.size() > 2 && text[0] == '0') {
    const char radix = static_cast<char>(text[1] | 0x20);
    if (radix == 'x') {
      if (const auto integer = ParseInteger(text.substr(2), 16)) return integer;
      double value = 0;
      const char* const end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data() + 2, end, value, std::chars_format::hex);
      if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
      return value;
    }
    if (radix == 'b') return ParseInteger(text.substr(2), 2);
    if (radix == 'o') return ParseInteger(text.substr(2), 8);
  }
  if (text.size() > 1 && text[0] == '0') {
    if (const auto octal = ParseInteger(text, 8)) return octal;
  }
  return model::ParseFloat(text);
}

std::optional<double> ParseDurationSeconds(std::string_view text) {
  const auto ms = model::ParseDuration(text);
  if (!ms) return std::nullopt;
  return static_cast<double>(*ms) / 1000;
}

}  // namespace narthex::promql
