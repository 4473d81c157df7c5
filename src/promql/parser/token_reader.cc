#include "promql/parser/token_reader.h"

namespace narthex::promql {
namespace {

constexpr OperatorRow kOperators[] = {
    {"+", BinaryOp::kAdd, 4},          {"-", BinaryOp::kSubtract, 4},
    {"*", BinaryOp::kMultiply, 5},     {"/", BinaryOp::kDivide, 5},
    {"%", BinaryOp::kModulo, 5},       {"^", BinaryOp::kPower, 6},
    {"atan2", BinaryOp::kAtan2, 5},    {"==", BinaryOp::kEqual, 3},
    {"!=", BinaryOp::kNotEqual, 3},    {">", BinaryOp::kGreater, 3},
    {"<", BinaryOp::kLess, 3},         {">=", BinaryOp::kGreaterOrEqual, 3},
    {"<=", BinaryOp::kLessOrEqual, 3}, {"and", BinaryOp::kAnd, 2},
    {"unless", BinaryOp::kUnless, 2},  {"or", BinaryOp::kOr, 1},
    {"</", BinaryOp::kTrimUpper, 3},   {">/", BinaryOp::kTrimLower, 3}};

}  // namespace

const OperatorRow* TokenReader::PeekBinaryOperator() const {
  const Token& token = Peek();
  if (token.kind != TokenKind::kOperator && token.kind != TokenKind::kIdentifier) return nullptr;
  const std::string_view text = Text(token);
  // Of the words, most are none.
  const char first = token.kind == TokenKind::kIdentifier ? static_cast<char>(text[0] | 0x20) : 0;
  if (first != 0 && first != 'a' && first != 'o' && first != 'u') return nullptr;
  const Keyword keyword(text);
  const std::string_view lower = keyword;
  const auto found = std::ranges::find_if(kOperators, [&](const OperatorRow& row) {
    return row.text.size() == lower.size() && row.text[0] == lower[0] && row.text == lower;
  });
  return found == std::end(kOperators) ? nullptr : found;
}

bool TokenReader::AcceptWord(std::string_view keyword) {
  if (!IsWord(Peek(), keyword)) return false;
  Take();
  return true;
}

bool TokenReader::Expect(TokenKind kind, std::string_view context, std::string_view expected) {
  if (Accept(kind)) return true;
  Unexpected(context, expected);
  return false;
}

std::nullptr_t TokenReader::FailAs(Position position, std::string message) {
  if (error_.message.empty()) error_ = {position, std::move(message)};
  return nullptr;
}

std::nullptr_t TokenReader::Unexpected(std::string_view context, std::string_view expected) {
  std::string message = "unexpected " + DescribeToken(text_, Peek());
  if (!context.empty()) message += fmt::format(" in {}", context);
  if (!expected.empty()) message += fmt::format(", expected {}", expected);
  return FailAs(Peek().position, std::move(message));
}

std::nullptr_t TokenReader::TooDeep(Position position) {
  return Fail(position, "expression is nested more than {} levels deep", options_.depth_max);
}

}  // namespace narthex::promql
