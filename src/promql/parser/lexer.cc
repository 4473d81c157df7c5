#include "promql/parser/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "model/labels.h"
#include "promql/parser/literal.h"

namespace narthex::promql {
namespace {

constexpr uint8_t kDigit = 1, kLetter = 2;
constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (size_t c = 0; c < classes.size(); ++c) {
    if (c >= '0' && c <= '9') classes[c] = kDigit;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') classes[c] = kLetter;
  }
  return classes;
}();
bool Is(char c, uint8_t classes) { return (kClasses[static_cast<uint8_t>(c)] & classes) != 0; }
bool IsDigit(char c) { return Is(c, kDigit); }
bool IsLetter(char c) { return Is(c, kLetter); }

// "5m": what most durations are, told without a look at what they could be else.
bool IsPlainDuration(std::string_view word) {
  constexpr size_t kDigitsMax = 6;
  const size_t digits = word.size() - 1;
  return digits >= 1 && digits <= kDigitsMax &&
         std::string_view("smhdwy").find(word.back()) != std::string_view::npos &&
         std::all_of(word.begin(), word.end() - 1, IsDigit);
}

class Lexer {
 public:
  Lexer(std::string_view text, std::pmr::memory_resource* memory) : text_(text), tokens_(memory) {}

  std::expected<Tokens, SyntaxError> Run() {
    // Growing would copy many times what a usual query has.
    constexpr size_t kBytesPerToken = 3;
    tokens_.reserve(text_.size() / kBytesPerToken + 1);
    while (SkipBlanks()) {
      if (!Next()) return std::unexpected(std::move(error_));
    }
    if (!open_.empty()) {
      const char* what = "unclosed left parenthesis";
      if (open_.back() == '[') what = "unexpected end of input inside square brackets";
      if (open_.back() == '{') what = "unexpected end of input inside braces";
      Fail(at_, at_, what);
      return std::unexpected(std::move(error_));
    }
    Add(TokenKind::kEnd, 0);
    return std::move(tokens_);
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  [[gnu::always_inline]] void Add(TokenKind kind, size_t length) {
    tokens_.push_back({kind, {static_cast<uint32_t>(at_), static_cast<uint32_t>(at_ + length)}});
    at_ += length;
  }

  bool Fail(size_t begin, size_t end, std::string message) {
    error_ = {{static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}, std::move(message)};
    return false;
  }

  // False at the end of the text.
  bool SkipBlanks() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }

  bool Next() {
    const char c = Peek();
    if (IsLetter(c)) return Identifier();
    switch (c) {
      case '(':
        open_ += c;
        Add(TokenKind::kLeftParen, 1);
        return true;
      case '[':
        open_ += c;
        Add(TokenKind::kLeftBracket, 1);
        return true;
      case '{':
        if (In('{')) return Unexpected("inside braces");
        open_ += c;
        Add(TokenKind::kLeftBrace, 1);
        return true;
      case ')':
        return Close('(', TokenKind::kRightParen, "unexpected right parenthesis ')'");
      case ']':
        return Close('[', TokenKind::kRightBracket, "unexpected right bracket ']'");
      case '}':
        return Close('{', TokenKind::kRightBrace, "unexpected right brace '}'");
      case ',':
        Add(TokenKind::kComma, 1);
        return true;
      case '@':
        Add(TokenKind::kAt, 1);
        return true;
      case '"':
      case '\'':
      case '`':
        return QuotedString(c);
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
      case '^':
        if (In('{')) return Unexpected("inside braces");
        Add(TokenKind::kOperator, 1);
        return true;
      case '=':
        return EqualSign();
      case '!':
        if (Peek(1) == '=' || (Peek(1) == '~' && In('{'))) {
          Add(TokenKind::kOperator, 2);
          return true;
        }
        ++at_;
        return Unexpected("after '!'");
      case '<':
      case '>':
        if (In('{')) return Unexpected("inside braces");
        Add(TokenKind::kOperator, Peek(1) == '=' || Peek(1) == '/' ? 2 : 1);
        return true;
      case ':':
        if (In('[')) {
          Add(TokenKind::kColon, 1);
          return true;
        }
        break;
      default:
        break;
    }
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return NumberOrDuration();
    if (c == ':' && !In('{')) return Identifier();
    return Unexpected(In('{') ? "inside braces" : "");
  }

  bool In(char bracket) const { return !open_.empty() && open_.back() == bracket; }

  bool Unexpected(std::string_view where) {
    if (at_ >= text_.size()) return Fail(at_, at_, "unexpected end of input");
    // The whole UTF-8 character, so that the message stays well formed.
    size_t length = 1;
    while (at_ + length < text_.size() && (text_[at_ + length] & 0xC0) == 0x80) ++length;
    std::string message = "unexpected character";
    if (!where.empty()) message += " " + std::string(where);
    message += ": '" + std::string(text_.substr(at_, length)) + "'";
    return Fail(at_, at_ + length, std::move(message));
  }

  bool Close(char opening, TokenKind kind, std::string_view message) {
    if (!In(opening)) return Fail(at_, at_ + 1, std::string(message));
    open_.pop_back();
    Add(kind, 1);
    return true;
  }

  bool EqualSign() {
    if (Peek(1) == '=' && !In('{')) {
      Add(TokenKind::kOperator, 2);
    } else if (Peek(1) == '~') {
      if (!In('{')) {
        ++at_;
        return Unexpected("after '='");
      }
      Add(TokenKind::kOperator, 2);
    } else {
      Add(TokenKind::kEqual, 1);
    }
    return true;
  }

  bool QuotedString(char quote) {
    size_t end = at_ + 1;
    for (;; ++end) {
      if (end >= text_.size()) {
        return Fail(at_, end,
                    quote == '`' ? "unterminated raw string" : "unterminated quoted string");
      }
      if (text_[end] == quote) break;
      if (quote == '`') continue;
      if (text_[end] == '\n') return Fail(at_, end, "unterminated quoted string");
      if (text_[end] == '\\') ++end;
    }
    Add(TokenKind::kString, end + 1 - at_);
    return true;
  }

  bool NumberOrDuration() {
    const bool hex = Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X');
    size_t end = at_;
    while (end < text_.size()) {
      const char c = text_[end];
      if (IsDigit(c) || IsLetter(c) || c == '.') {
        ++end;
        continue;
      }
      const char before = text_[end - 1];
      const bool sign_of_exponent = (c == '+' || c == '-') && !hex && end > at_ &&
                                    (before == 'e' || before == 'E') && end + 1 < text_.size() &&
                                    IsDigit(text_[end + 1]);
      if (!sign_of_exponent) break;
      ++end;
    }
    const std::string_view word = text_.substr(at_, end - at_);
    if (IsPlainDuration(word)) {
      Add(TokenKind::kDuration, word.size());
    } else if (ParseNumber(word)) {
      Add(TokenKind::kNumber, word.size());
    } else if (ParseDurationSeconds(word)) {
      Add(TokenKind::kDuration, word.size());
    } else {
      return Fail(at_, end, "bad number or duration syntax: \"" + std::string(word) + "\"");
    }
    return true;
  }

  bool Identifier() {
    size_t end = at_ + 1;
    const auto take_letters = [&] {
      while (end < text_.size() && Is(text_[end], kLetter | kDigit)) ++end;
    };
    take_letters();
    while (end < text_.size() && text_[end] == ':' && !In('{') && !In('[')) {
      ++end;
      take_letters();
    }
    Add(TokenKind::kIdentifier, end - at_);
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::string open_;  // The brackets that are open, outermost first.
  Tokens tokens_;
  SyntaxError error_;
};

void AppendUtf8(std::string& out, uint32_t rune) {
  if (rune < 0x80) {
    out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    out += static_cast<char>(0xC0 | (rune >> 6));
    out += static_cast<char>(0x80 | (rune & 0x3F));
  } else if (rune < 0x10000) {
    out += static_cast<char>(0xE0 | (rune >> 12));
    out += static_cast<char>(0x80 | ((rune >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (rune & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (rune >> 18));
    out += static_cast<char>(0x80 | ((rune >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((rune >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (rune & 0x3F));
  }
}

// One escape sequence behind a backslash; false where Go has no such escape.
bool AppendEscape(std::string_view& text, char quote, std::string& out) {
  constexpr std::string_view kLetters = "abfnrtv\\";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  if (text.empty()) return false;
  const char c = text[0];
  text.remove_prefix(1);
  if (const size_t i = kLetters.find(c); i != std::string_view::npos) {
    out += kMeanings[i];
    return true;
  }
  if (c == quote) {
    out += c;
    return true;
  }
  size_t digits = 0;
  int radix = 16;
  if (c == 'x') digits = 2;
  if (c == 'u') digits = 4;
  if (c == 'U') digits = 8;
  if (c >= '0' && c <= '7') {
    digits = 2;
    radix = 8;
  }
  if (digits == 0 || text.size() < digits) return false;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value, radix);
  if (error != std::errc() || end != text.data() + digits) return false;
  text.remove_prefix(digits);
  if (radix == 8) value += static_cast<uint32_t>(c - '0') * 64;
  if (c == 'x' || radix == 8) {
    if (value > 255) return false;
    out += static_cast<char>(value);
    return true;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return false;
  AppendUtf8(out, value);
  return true;
}

}  // namespace

std::expected<Tokens, SyntaxError> Tokenize(std::string_view text,
                                            std::pmr::memory_resource* memory) {
  return Lexer(text, memory).Run();
}

base::Result<std::string> Unquote(std::string_view quoted) {
  const char quote = quoted[0];
  std::string_view inner = quoted.substr(1, quoted.size() - 2);
  if (quote == '`') return std::string(inner);
  if (inner.find('\\') == std::string_view::npos) return std::string(inner);
  std::string value;
  value.reserve(inner.size());
  while (!inner.empty()) {
    const char c = inner[0];
    inner.remove_prefix(1);
    if (c != '\\') {
      value += c;
    } else if (!AppendEscape(inner, quote, value)) {
      return base::Fail(base::Code::kInvalidArgument, "unknown escape sequence in string {}",
                        quoted);
    }
  }
  return value;
}

std::string DescribeToken(std::string_view text, const Token& token) {
  const std::string_view word =
      text.substr(token.position.begin, token.position.end - token.position.begin);
  const auto quoted = [&](std::string kind) {
    kind += ' ';
    model::AppendQuoted(kind, word);
    return kind;
  };
  switch (token.kind) {
    case TokenKind::kEnd:
      return "end of input";
    case TokenKind::kIdentifier:
      return quoted("identifier");
    case TokenKind::kNumber:
      return quoted("number");
    case TokenKind::kDuration:
      return quoted("duration");
    case TokenKind::kString:
      return "string " + std::string(word);
    case TokenKind::kOperator:
      return "<op:" + std::string(word) + ">";
    case TokenKind::kLeftParen:
      return "left parenthesis '('";
    case TokenKind::kRightParen:
      return "right parenthesis ')'";
    case TokenKind::kLeftBrace:
      return "left brace '{'";
    case TokenKind::kRightBrace:
      return "right brace '}'";
    case TokenKind::kLeftBracket:
      return "left bracket '['";
    case TokenKind::kRightBracket:
      return "right bracket ']'";
    case TokenKind::kComma:
      return "comma ','";
    case TokenKind::kColon:
      return "colon ':'";
    case TokenKind::kAt:
      return "<@>";
    case TokenKind::kEqual:
      return "\"=\"";
  }
  return "token";
}

}  // namespace narthex::promql
