#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::base {

// Without the blanks at both ends.
inline std::string_view Trim(std::string_view text, std::string_view blanks = " \t\r\n") {
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Takes what stands before the separator; the rest behind it stays. Without one, all.
inline std::string_view TakeUntil(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// What stands between any of the separators; nothing of it is empty.
inline std::vector<std::string_view> SplitAtAny(std::string_view text,
                                                std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}
inline std::vector<std::string_view> Lines(std::string_view text) { return SplitAtAny(text, "\n"); }
// Separated by blanks and tabs.
inline std::vector<std::string_view> Words(std::string_view line) {
  return SplitAtAny(line, " \t");
}

// ASCII letters become small; everything else stays.
inline std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// Nothing that could end a line, or a header field, and begin another.
inline bool HasControlCharacters(std::string_view text) {
  return std::ranges::any_of(text,
                             [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; });
}

}  // namespace narthex::base
