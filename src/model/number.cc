#include "model/number.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace narthex::model {
namespace {

// Go writes at least two exponent digits, and so does std::to_chars.
void AppendShortest(std::string& out, double value, std::chars_format format) {
  char buffer[400];  // The longest fixed notation of a double has 309 digits before the point.
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value, format);
  out.append(buffer, static_cast<size_t>(end - buffer));
}

// Fixed notation with the shortest digits and zeros behind them, where std::to_chars would print
// every digit that the double happens to have: 9223372036854776000 and not …775808.
void AppendLarge(std::string& out, double value) {
  std::string scientific;
  AppendShortest(scientific, value, std::chars_format::scientific);
  const size_t e = scientific.find('e');
  size_t zeros = 0;
  std::from_chars(scientific.data() + e + 2, scientific.data() + scientific.size(), zeros);
  for (size_t i = 0; i < e; ++i) {
    if (scientific[i] == '.') {
      zeros -= e - i - 1;  // Digits behind the point take the place of zeros.
    } else {
      out += scientific[i];
    }
  }
  out.append(zeros, '0');
}

bool AppendSpecial(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return true;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return true;
  }
  return false;
}

void AppendWithin(std::string& out, double value, double low, double high) {
  if (AppendSpecial(out, value)) return;
  const double magnitude = std::fabs(value);
  const bool exponent = magnitude != 0 && (magnitude < low || magnitude >= high);
  // Small integers, by far the most common values, need no search for the shortest digits.
  if (magnitude < 1e15 && value == std::trunc(value) && !exponent &&
      !(value == 0 && std::signbit(value))) {
    char buffer[24];
    const auto [end, error] =
        std::to_chars(buffer, buffer + sizeof(buffer), static_cast<int64_t>(value));
    out.append(buffer, static_cast<size_t>(end - buffer));
    return;
  }
  if (!exponent && magnitude >= 0x1p53) return AppendLarge(out, value);
  AppendShortest(out, value, exponent ? std::chars_format::scientific : std::chars_format::fixed);
}

}  // namespace

void AppendJsonFloat(std::string& out, double value) { AppendWithin(out, value, 1e-6, 1e21); }

void AppendFloat(std::string& out, double value) { AppendWithin(out, value, 1e-4, 1e21); }

void AppendFixedFloat(std::string& out, double value) {
  AppendWithin(out, value, 0, std::numeric_limits<double>::infinity());
}

void AppendCompactFloat(std::string& out, double value) { AppendWithin(out, value, 1e-4, 1e6); }

std::string FormatFloat(double value) {
  std::string text;
  AppendFloat(text, value);
  return text;
}

std::optional<double> ParseFloat(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  const auto is = [&](std::string_view word) {
    if (text.size() != word.size()) return false;
    for (size_t i = 0; i < word.size(); ++i) {
      if ((text[i] | 0x20) != word[i]) return false;
    }
    return true;
  };
  if (is("inf") || is("infinity")) {
    return negative ? -std::numeric_limits<double>::infinity()
                    : std::numeric_limits<double>::infinity();
  }
  if (is("nan")) return std::bit_cast<double>(uint64_t{0x7ff8000000000001});
  if ((text[0] < '0' || text[0] > '9') && text[0] != '.') return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Go reports a range error for both; too large is an error to it, too small becomes zero.
    // std::from_chars leaves the value untouched, so that the exponent's sign has to tell.
    const size_t e = text.find_first_of("eE");
    const bool tiny =
        (e != std::string_view::npos && text[e + 1] == '-') || text[0] == '0' || text[0] == '.';
    if (!tiny) return std::nullopt;
    value = 0;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

}  // namespace narthex::model
