#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace narthex::base {

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
