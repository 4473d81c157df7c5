#include "receivers/hostmetrics/proc_text.h"

#include <algorithm>
#include <charconv>

namespace narthex::receivers {
namespace {

template <class T>
std::optional<T> Parse(std::string_view word) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<uint64_t> ToUint(std::string_view word) { return Parse<uint64_t>(word); }

std::optional<double> ToDouble(std::string_view word) { return Parse<double>(word); }

uint64_t UintAt(const std::vector<std::string_view>& words, size_t index) {
  return index < words.size() ? ToUint(words[index]).value_or(0) : 0;
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '7' ? text[at] - '0' : -1;
    };
    const int a = digit(i + 1), b = digit(i + 2), c = digit(i + 3);
    if (text[i] != '\\' || a < 0 || a > 3 || b < 0 || c < 0) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(a * 64 + b * 8 + c);
    i += 3;
  }
  return out;
}

std::optional<uint64_t> ValueOf(std::string_view text, std::string_view name) {
  for (const std::string_view line : Lines(text)) {
    if (!line.starts_with(name)) continue;
    std::string_view rest = line.substr(name.size());
    if (rest.starts_with(':')) {
      rest.remove_prefix(1);
    } else if (!rest.starts_with(' ') && !rest.starts_with('\t')) {
      continue;
    }
    const auto words = Words(rest);
    return words.empty() ? std::nullopt : ToUint(words[0]);
  }
  return std::nullopt;
}

}  // namespace narthex::receivers
