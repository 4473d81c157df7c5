#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "model/labels.h"

namespace narthex::model {
namespace {

// A character of well-formed text; 0 bytes where the text is not UTF-8.
struct Character {
  uint32_t code = 0;
  size_t bytes = 0;
};

Character FirstCharacter(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < bytes || !IsValidUtf8(text.substr(0, bytes))) return {};
  uint32_t code = lead & (0xFFu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i)
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  return {code, bytes};
}

// True for characters beyond ASCII that show nothing of their own: controls, spaces, format and
// private characters. Source: Unicode categories Cc, Cf, Co, Zl, Zp, Zs.
bool IsInvisible(uint32_t code) {
  struct Span {
    uint32_t first;
    uint32_t last;
  };
  static constexpr Span kSpans[] = {
      {0x80, 0xA0},       {0xAD, 0xAD},        {0x600, 0x605},     {0x61C, 0x61C},
      {0x6DD, 0x6DD},     {0x70F, 0x70F},      {0x890, 0x891},     {0x8E2, 0x8E2},
      {0x1680, 0x1680},   {0x180E, 0x180E},    {0x2000, 0x200F},   {0x2028, 0x202F},
      {0x205F, 0x206F},   {0x3000, 0x3000},    {0xE000, 0xF8FF},   {0xFEFF, 0xFEFF},
      {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD},  {0x110CD, 0x110CD}, {0x13430, 0x1343F},
      {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},  {0xE0001, 0xE0001}, {0xE0020, 0xE007F},
      {0xF0000, 0xFFFFF}, {0x100000, 0x10FFFF}};
  const auto* const span = std::ranges::lower_bound(kSpans, code, {}, &Span::last);
  return span != std::end(kSpans) && code >= span->first;
}

// The letter behind the backslash; 0 where the character has no such name.
char EscapeLetter(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\a':
      return 'a';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\v':
      return 'v';
    default:
      return 0;
  }
}

}  // namespace

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const Character character = FirstCharacter(text);
    const size_t bytes = std::max<size_t>(character.bytes, 1);
    if (const char letter = EscapeLetter(text[0])) {
      out += '\\';
      out += letter;
    } else if (character.bytes == 0 || byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (IsInvisible(character.code)) {
      out += character.code < 0x10000 ? fmt::format("\\u{:04x}", character.code)
                                      : fmt::format("\\U{:08x}", character.code);
    } else {
      out += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  out += '"';
}

}  // namespace narthex::model
