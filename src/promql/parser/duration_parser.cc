#include "promql/parser/duration_parser.h"

#include <algorithm>
#include <cmath>

#include "promql/parser/literal.h"

namespace narthex::promql {

bool DurationParser::ParseDuration(Duration& duration, bool positive, bool simple) {
  const uint32_t begin = Peek().position.begin;
  // A literal and nothing else needs no tree.
  const TokenKind kind = Peek().kind;
  const TokenKind next = Peek(1).kind;
  if ((kind == TokenKind::kNumber || kind == TokenKind::kDuration) &&
      (simple || (next != TokenKind::kOperator && next != TokenKind::kIdentifier))) {
    const double seconds = LiteralSeconds(Take());
    duration.position = {begin, LastEnd()};
    return SetDuration(duration, seconds, positive);
  }
  DurationExprPtr expr = simple ? ParseDurationUnary(false) : ParseDurationExpr(1);
  if (expr == nullptr) return false;
  duration.position = {begin, LastEnd()};
  const bool literal = expr->op == DurationExpr::Op::kLiteral && !expr->parenthesised;
  const bool negative_literal = expr->op == DurationExpr::Op::kNegate && !expr->parenthesised &&
                                expr->left->op == DurationExpr::Op::kLiteral &&
                                !expr->left->parenthesised;
  if (!literal && !negative_literal) {
    duration.expr = std::move(expr);
    return true;
  }
  return SetDuration(duration, literal ? expr->seconds : -expr->left->seconds, positive);
}

double DurationParser::LiteralSeconds(const Token& token) const {
  return (token.kind == TokenKind::kNumber ? ParseNumber(Text(token))
                                           : ParseDurationSeconds(Text(token)))
      .value_or(0);
}

bool DurationParser::SetDuration(Duration& duration, double seconds, bool positive) {
  if (!(std::fabs(seconds) < 9.2e9)) {
    Fail(duration.position, "duration out of range");
    return false;
  }
  duration.ms = static_cast<int64_t>(std::round(seconds * 1000));
  if (positive && duration.ms <= 0) {
    Fail(duration.position, "duration must be greater than 0");
    return false;
  }
  return true;
}

DurationExprPtr DurationParser::MakeDuration(DurationExpr::Op op, uint32_t begin,
                                             DurationExprPtr left, DurationExprPtr right) {
  auto node = std::make_unique<DurationExpr>();
  node->op = op;
  node->position = {begin, LastEnd()};
  node->depth = 1 + std::max(left ? left->depth : 0, right ? right->depth : 0);
  if (node->depth > options().depth_max) return TooDeep(node->position);
  node->left = std::move(left);
  node->right = std::move(right);
  return node;
}

DurationExprPtr DurationParser::ParseDurationExpr(int strength_min) {
  if (++open_ > options().depth_max) return TooDeep(Peek().position);
  DurationExprPtr left = ParseDurationUnary(true);
  while (left != nullptr) {
    const OperatorRow* const row = PeekBinaryOperator();
    if (row == nullptr || row->op > BinaryOp::kPower || row->strength < strength_min) break;
    Take();
    const bool power = row->op == BinaryOp::kPower;
    DurationExprPtr right = ParseDurationExpr(power ? row->strength : row->strength + 1);
    if (right == nullptr) return nullptr;
    const auto op = static_cast<DurationExpr::Op>(static_cast<int>(DurationExpr::Op::kAdd) +
                                                  static_cast<int>(row->op));
    const uint32_t begin = left->position.begin;
    left = MakeDuration(op, begin, std::move(left), std::move(right));
  }
  --open_;
  return left;
}

DurationExprPtr DurationParser::ParseDurationUnary(bool powers) {
  const Token& sign = Peek();
  if (!IsOperator(sign, "-") && !IsOperator(sign, "+")) return ParseDurationPrimary();
  const bool minus = IsOperator(sign, "-");
  const uint32_t begin = Take().position.begin;
  if (++open_ > options().depth_max) return TooDeep(sign.position);
  DurationExprPtr operand = ParseDurationUnary(powers);
  // `^` binds stronger than a sign.
  if (powers && operand != nullptr && IsOperator(Peek(), "^")) {
    Take();
    DurationExprPtr right = ParseDurationUnary(true);
    if (right == nullptr) return nullptr;
    operand = MakeDuration(DurationExpr::Op::kPower, begin, std::move(operand), std::move(right));
  }
  --open_;
  if (operand == nullptr) return nullptr;
  return MakeDuration(minus ? DurationExpr::Op::kNegate : DurationExpr::Op::kPlus, begin,
                      std::move(operand), nullptr);
}

DurationExprPtr DurationParser::ParseDurationPrimary() {
  const Token& token = Peek();
  const uint32_t begin = token.position.begin;
  if (token.kind == TokenKind::kNumber || token.kind == TokenKind::kDuration) {
    Take();
    auto node = MakeDuration(DurationExpr::Op::kLiteral, begin, nullptr, nullptr);
    node->written_as_number = token.kind == TokenKind::kNumber;
    node->seconds = LiteralSeconds(token);
    return node;
  }
  if (token.kind == TokenKind::kLeftParen) {
    Take();
    DurationExprPtr node = ParseDurationExpr(1);
    if (node == nullptr) return nullptr;
    if (!Expect(TokenKind::kRightParen, "duration expression", "\")\"")) return nullptr;
    node->parenthesised = true;
    return node;
  }
  if (token.kind == TokenKind::kIdentifier && Peek(1).kind == TokenKind::kLeftParen) {
    return ParseDurationCall();
  }
  return Unexpected("duration", "number or duration");
}

DurationExprPtr DurationParser::ParseDurationCall() {
  const Token& name = Take();
  const Keyword keyword(Text(name));
  const std::string_view lower = keyword;
  Take();
  if (lower == "step" || lower == "range") {
    if (!Expect(TokenKind::kRightParen, "duration expression", "\")\"")) return nullptr;
    return MakeDuration(lower == "step" ? DurationExpr::Op::kStep : DurationExpr::Op::kRange,
                        name.position.begin, nullptr, nullptr);
  }
  if (lower != "min_of" && lower != "max_of") {
    return Fail(name.position, "unexpected identifier \"{}\" in duration expression", Text(name));
  }
  DurationExprPtr left = ParseDurationExpr(1);
  if (left == nullptr) return nullptr;
  if (!Expect(TokenKind::kComma, "duration expression", "\",\"")) return nullptr;
  DurationExprPtr right = ParseDurationExpr(1);
  if (right == nullptr) return nullptr;
  if (!Expect(TokenKind::kRightParen, "duration expression", "\")\"")) return nullptr;
  return MakeDuration(lower == "min_of" ? DurationExpr::Op::kMinOf : DurationExpr::Op::kMaxOf,
                      name.position.begin, std::move(left), std::move(right));
}

}  // namespace narthex::promql
