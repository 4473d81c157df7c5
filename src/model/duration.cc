#include "model/duration.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace narthex::model {
namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
};
constexpr int64_t kSecond = 1000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr std::array<Unit, 7> kUnits = {{{"y", 365 * kDay},
                                         {"w", 7 * kDay},
                                         {"d", kDay},
                                         {"h", kHour},
                                         {"m", kMinute},
                                         {"s", kSecond},
                                         {"ms", 1}}};

std::string_view TakeDigits(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

std::string_view TakeUnit(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && (text[count] < '0' || text[count] > '9') && text[count] != '.') {
    ++count;
  }
  const std::string_view unit = text.substr(0, count);
  text.remove_prefix(count);
  return unit;
}

}  // namespace

base::Result<int64_t> ParseDuration(std::string_view text) {
  const std::string_view whole = text;
  const auto invalid = [&] {
    return base::Fail(base::Code::kInvalidArgument, "not a valid duration string: \"{}\"", whole);
  };
  const auto too_long = [] { return base::Fail(base::Code::kOutOfRange, "duration out of range"); };
  if (text == "0") return 0;
  if (text.empty()) {
    return base::Fail(base::Code::kInvalidArgument, "empty duration string");
  }
  constexpr int64_t kMsMax = std::numeric_limits<int64_t>::max() / 1'000'000;
  int64_t total = 0;
  size_t next_unit = 0;
  while (!text.empty()) {
    const std::string_view digits = TakeDigits(text);
    const std::string_view unit = TakeUnit(text);
    if (digits.empty() || unit.empty()) return invalid();
    while (next_unit < kUnits.size() && kUnits[next_unit].name != unit) ++next_unit;
    if (next_unit == kUnits.size()) return invalid();
    int64_t count = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (error != std::errc()) return too_long();
    if (count > kMsMax / kUnits[next_unit].ms) return too_long();
    total += count * kUnits[next_unit].ms;
    if (total > kMsMax) return too_long();
    ++next_unit;
  }
  return total;
}

std::string FormatDuration(int64_t ms) {
  if (ms == 0) return "0s";
  std::string text;
  // Unsigned, so that the most negative duration has a magnitude.
  uint64_t left = static_cast<uint64_t>(ms);
  if (ms < 0) {
    text = "-";
    left = 0 - left;
  }
  for (size_t i = 0; i < kUnits.size(); ++i) {
    const auto unit = static_cast<uint64_t>(kUnits[i].ms);
    const bool only_if_exact = kUnits[i].name == "y" || kUnits[i].name == "w";
    if (only_if_exact && left % unit != 0) continue;
    if (left / unit > 0) text += std::to_string(left / unit) + std::string(kUnits[i].name);
    left %= unit;
  }
  return text;
}

base::Result<int64_t> ParseGoDuration(std::string_view text) {
  const std::string_view whole = text;
  const auto invalid = [&] {
    return base::Fail(base::Code::kInvalidArgument, "invalid duration \"{}\"", whole);
  };
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return invalid();
  static constexpr std::array<std::pair<std::string_view, double>, 7> kGoUnits = {
      {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || text[0] == '-') return invalid();
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const std::string_view unit = TakeUnit(text);
    bool known = false;
    for (const auto& [name, ns] : kGoUnits) {
      if (name != unit) continue;
      total += number * ns;
      known = true;
    }
    if (!known) return invalid();
  }
  if (total >= 9.2e18) return invalid();
  const auto ns = static_cast<int64_t>(std::round(total));
  return negative ? -ns : ns;
}

}  // namespace narthex::model
