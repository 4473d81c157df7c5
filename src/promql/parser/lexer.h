#pragma once

#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

enum class TokenKind : uint8_t {
  kEnd,
  kIdentifier,  // Words of all sorts: names, keywords, functions.
  kNumber,
  kDuration,
  kString,  // Quotes included.
  kOperator,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kAt,
  kEqual,  // `=`, in matchers
};

// A piece of the query text, by offsets.
struct Token {
  TokenKind kind = TokenKind::kEnd;
  Position position;
};

// A parse error with its place; the caller who has the text makes a message of it.
struct SyntaxError {
  Position position;
  std::string message;
};

using Tokens = std::pmr::vector<Token>;

// Cuts a query into tokens; the last one is kEnd. Comments and blanks are gone. The tokens lie in
// `memory`.
std::expected<Tokens, SyntaxError> Tokenize(
    std::string_view text, std::pmr::memory_resource* memory = std::pmr::get_default_resource());

// The value of a string token, escapes resolved as Go does it. Error: what is wrong with it.
base::Result<std::string> Unquote(std::string_view quoted);

// A token as error messages name it: `identifier "foo"`, `<op:+>`, `right parenthesis ')'`.
std::string DescribeToken(std::string_view text, const Token& token);

}  // namespace narthex::promql
