#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "promql/parser/ast.h"
#include "promql/parser/lexer.h"
#include "promql/parser/parser.h"

namespace narthex::promql {

// In small letters where it is as short as a keyword can be, else empty. ASCII only.
class Keyword {
 public:
  explicit Keyword(std::string_view word) {
    if (word.size() > sizeof(letters_)) return;
    for (const char c : word) {
      letters_[size_++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    }
  }
  operator std::string_view() const { return {letters_, size_}; }  // NOLINT: a text like others

 private:
  char letters_[12];  // count_values, group_right
  size_t size_ = 0;
};

struct OperatorRow {
  std::string_view text;
  BinaryOp op;
  int strength;  // The larger, the stronger it binds.
};
inline constexpr int kUnaryStrength = 5;  // As strong as `*`; `^` binds stronger.

// The tokens of a query, the first error, and the limits: what all parts of the parser stand on.
class TokenReader {
 public:
  // The text and the options must outlive the reader.
  TokenReader(std::string_view text, const ParseOptions& options, Tokens tokens)
      : text_(text), options_(options), tokens_(std::move(tokens)) {}

  const SyntaxError& error() const { return error_; }

 protected:
  const Token& Peek(size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  const Token& Take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }
  const Token& Taken() const { return tokens_[next_ - 1]; }
  uint32_t LastEnd() const { return next_ == 0 ? 0 : Taken().position.end; }
  std::string_view Text(const Token& token) const {
    return text_.substr(token.position.begin, token.position.end - token.position.begin);
  }
  bool IsWord(const Token& token, std::string_view keyword) const {
    return token.kind == TokenKind::kIdentifier &&
           token.position.end - token.position.begin == keyword.size() &&
           std::string_view(Keyword(Text(token))) == keyword;
  }
  bool IsOperator(const Token& token, std::string_view op) const {
    return token.kind == TokenKind::kOperator && Text(token) == op;
  }
  // nullptr when the next token is no binary operator.
  const OperatorRow* PeekBinaryOperator() const;
  bool Accept(TokenKind kind) {
    if (Peek().kind != kind) return false;
    Take();
    return true;
  }
  bool AcceptWord(std::string_view keyword);
  // False, with the error set, when the next token is another one.
  bool Expect(TokenKind kind, std::string_view context, std::string_view expected);

  // The first error stays. What formats messages is out of line everywhere: the frames of the
  // recursion have to be small.
  template <class... Args>
  [[gnu::noinline]] std::nullptr_t Fail(Position position, fmt::format_string<Args...> format,
                                        Args&&... args) {
    return FailAs(position, fmt::format(format, std::forward<Args>(args)...));
  }
  std::nullptr_t FailAs(Position position, std::string message);
  // "unexpected right parenthesis ')' in aggregation, expected label"
  std::nullptr_t Unexpected(std::string_view context, std::string_view expected = "");
  std::nullptr_t TooDeep(Position position);

  const ParseOptions& options() const { return options_; }

  uint32_t open_ = 0;  // Nested calls of the parser, which bound its own stack.

 private:
  const std::string_view text_;
  const ParseOptions& options_;
  const Tokens tokens_;
  size_t next_ = 0;
  SyntaxError error_;
};

}  // namespace narthex::promql
