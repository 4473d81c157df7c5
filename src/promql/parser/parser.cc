#include "promql/parser/parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <memory_resource>
#include <utility>

#include "model/labels.h"
#include "promql/functions/function.h"
#include "promql/parser/check.h"
#include "promql/parser/lexer.h"
#include "promql/parser/literal.h"
#include "promql/parser/selector_parser.h"

namespace narthex::promql {
namespace {

// Words that can be neither a metric nor a function.
bool IsReserved(std::string_view lower) {
  if (std::string_view("boiga").find(lower[0]) == std::string_view::npos) return false;
  return lower == "bool" || lower == "on" || lower == "ignoring" || lower == "group_left" ||
         lower == "group_right" || lower == "atan2";
}

// Recursive descent over expressions; a null pointer means that error() says why.
class Parser : public SelectorParser {
 public:
  using SelectorParser::SelectorParser;

  ExprPtr ParseAll() {
    if (Peek().kind == TokenKind::kEnd)
      return Fail(Peek().position, "no expression found in input");
    ExprPtr expr = ParseExpr(1);
    if (expr == nullptr) return nullptr;
    if (Peek().kind != TokenKind::kEnd) return Unexpected("");
    return expr;
  }

  std::unique_ptr<VectorSelector> ParseOnlySelector() {
    auto selector = ParseVectorSelector();
    if (selector == nullptr) return nullptr;
    if (Peek().kind != TokenKind::kEnd) return Unexpected("");
    return selector;
  }

 private:
  // Closes a node: position, depth limit and type check in one place.
  template <class T>
  [[gnu::noinline]] ExprPtr Finish(std::unique_ptr<T> node, uint32_t begin, uint32_t child_depth) {
    node->position = {begin, LastEnd()};
    node->depth = child_depth + 1;
    if (node->depth > options().depth_max) return TooDeep(node->position);
    if (auto wrong = CheckNode(*node)) return FailAs(wrong->position, std::move(wrong->message));
    return node;
  }

  [[gnu::noinline]] ExprPtr ParseExpr(int strength_min) {
    if (++open_ > options().depth_max) return TooDeep(Peek().position);
    ExprPtr left = ParseUnary();
    while (left != nullptr) {
      const OperatorRow* const row = PeekBinaryOperator();
      if (row == nullptr || row->strength < strength_min) break;
      left = ParseBinary(std::move(left), *row);
    }
    --open_;
    return left;
  }

  [[gnu::noinline]] ExprPtr ParseBinary(ExprPtr left, const OperatorRow& row) {
    Take();
    auto node = std::make_unique<Binary>();
    node->op = row.op;
    if (!ParseModifiers(*node)) return nullptr;
    node->left = std::move(left);
    node->right = ParseExpr(row.op == BinaryOp::kPower ? row.strength : row.strength + 1);
    if (node->right == nullptr) return nullptr;
    const uint32_t begin = node->left->position.begin;
    const uint32_t depth = std::max(node->left->depth, node->right->depth);
    return Finish(std::move(node), begin, depth);
  }

  ExprPtr ParseUnary() {
    const Token sign = Peek();
    if (!IsOperator(sign, "-") && !IsOperator(sign, "+")) return ParsePostfix();
    Take();
    ExprPtr operand = ParseExpr(kUnaryStrength + 1);
    if (operand == nullptr) return nullptr;
    const bool negate = Text(sign) == "-";
    if (operand->kind == Expr::Kind::kNumber) {
      auto& number = As<Number>(*operand);
      if (negate) number.value = -number.value;
      number.position.begin = sign.position.begin;
      return operand;
    }
    auto node = std::make_unique<Unary>();
    node->negate = negate;
    const uint32_t depth = operand->depth;
    node->expr = std::move(operand);
    return Finish(std::move(node), sign.position.begin, depth);
  }

  // A primary expression with the modifiers that bind to it.
  ExprPtr ParsePostfix() {
    ExprPtr expr = ParsePrimary();
    while (expr != nullptr) {
      const Token& token = Peek();
      if (token.kind == TokenKind::kLeftBracket) {
        expr = ParseRange(std::move(expr));
      } else if (token.kind == TokenKind::kAt) {
        expr = ParseAt(std::move(expr));
      } else if (IsWord(token, "offset")) {
        expr = ParseOffset(std::move(expr));
      } else if (IsWord(token, "anchored") || IsWord(token, "smoothed")) {
        expr = ParseRangeModifier(std::move(expr));
      } else {
        break;
      }
    }
    return expr;
  }

  ExprPtr ParsePrimary() {
    const Token& token = Peek();
    switch (token.kind) {
      case TokenKind::kNumber:
      case TokenKind::kDuration:
        return ParseNumberLiteral();
      case TokenKind::kString:
        return ParseStringLiteral();
      case TokenKind::kLeftParen:
        return ParseParen();
      case TokenKind::kLeftBrace:
        return ParseVectorSelector();
      case TokenKind::kIdentifier:
        return ParseWord();
      default:
        return Unexpected("");
    }
  }

  [[gnu::noinline]] ExprPtr ParseNumberLiteral() {
    auto node = std::make_unique<Number>();
    const Token& token = Take();
    node->written_as_duration = token.kind == TokenKind::kDuration;
    node->value = node->written_as_duration ? ParseDurationSeconds(Text(token)).value_or(0)
                                            : ParseNumber(Text(token)).value_or(0);
    return Finish(std::move(node), token.position.begin, 0);
  }

  [[gnu::noinline]] ExprPtr ParseStringLiteral() {
    const Token& token = Take();
    auto node = std::make_unique<String>();
    auto value = Unquote(Text(token));
    if (!value) return FailAs(token.position, value.error().message);
    node->value = *std::move(value);
    return Finish(std::move(node), token.position.begin, 0);
  }

  [[gnu::noinline]] ExprPtr ParseParen() {
    const uint32_t begin = Take().position.begin;
    auto node = std::make_unique<Paren>();
    node->expr = ParseExpr(1);
    if (node->expr == nullptr) return nullptr;
    if (!Expect(TokenKind::kRightParen, "", "\")\"")) return nullptr;
    node->type = node->expr->type;
    const uint32_t depth = node->expr->depth;
    return Finish(std::move(node), begin, depth);
  }

  [[gnu::noinline]] ExprPtr ParseWord() {
    const Token& token = Peek();
    const Keyword keyword(Text(token));
    const std::string_view lower = keyword;
    const Token& next = Peek(1);
    if (lower.empty()) {
      return next.kind == TokenKind::kLeftParen ? ParseCall() : ParseVectorSelector();
    }
    if (lower == "inf" || lower == "nan") return ParseNumberLiteral();
    if (const auto op = AggregateOpFromText(lower)) {
      if (next.kind == TokenKind::kLeftParen || IsWord(next, "by") || IsWord(next, "without")) {
        return ParseAggregate(*op);
      }
    }
    if (next.kind == TokenKind::kLeftParen) return ParseCall();
    if (IsReserved(lower)) return Unexpected("");
    return ParseVectorSelector();
  }

  // "(a, b)" onto args_: false with error_ set. The second argument of info() selects labels, not
  // series, and may match everything. A comma behind the last argument is refused.
  [[gnu::noinline]] bool ParseArguments(std::string_view context, bool second_is_labels = false) {
    const size_t before = args_.size();
    if (!Expect(TokenKind::kLeftParen, context, "\"(\"")) return false;
    if (Accept(TokenKind::kRightParen)) return true;
    while (true) {
      const bool labels_only =
          second_is_labels && args_.size() == before + 1 && Peek().kind == TokenKind::kLeftBrace;
      ExprPtr arg = labels_only ? ParseVectorSelector(true) : ParseExpr(1);
      if (arg == nullptr) return false;
      args_.push_back(std::move(arg));
      if (Accept(TokenKind::kRightParen)) return true;
      if (Peek().kind == TokenKind::kComma && Peek(1).kind == TokenKind::kRightParen) {
        Fail(Peek().position, "trailing commas not allowed in function call args");
        return false;
      }
      if (!Expect(TokenKind::kComma, context, "\",\" or \")\"")) return false;
    }
  }

  [[gnu::noinline]] ExprPtr ParseCall() {
    const Token& name = Take();
    const Function* const function = FindFunction(Text(name));
    if (function == nullptr) {
      return Fail(name.position, "unknown function with name \"{}\"", Text(name));
    }
    if (function->experimental && !options().experimental_functions) {
      return Fail(name.position, "function \"{}\" is not enabled", Text(name));
    }
    auto node = std::make_unique<Call>();
    node->function = function;
    node->type = function->result;
    const size_t before = args_.size();
    if (!ParseArguments("function call", function->name == "info")) return nullptr;
    const auto first = args_.begin() + static_cast<ptrdiff_t>(before);
    node->args.assign(std::make_move_iterator(first), std::make_move_iterator(args_.end()));
    args_.erase(first, args_.end());
    uint32_t depth = 0;
    for (const ExprPtr& arg : node->args) depth = std::max(depth, arg->depth);
    return Finish(std::move(node), name.position.begin, depth);
  }

  [[gnu::noinline]] ExprPtr ParseAggregate(AggregateOp op) {
    const Token& name = Take();
    if ((op == AggregateOp::kLimitk || op == AggregateOp::kLimitRatio) &&
        !options().experimental_functions) {
      return Fail(name.position, "{}() is experimental and must be enabled", AggregateOpText(op));
    }
    auto node = std::make_unique<Aggregate>();
    node->op = op;
    const auto at_grouping = [&] { return IsWord(Peek(), "by") || IsWord(Peek(), "without"); };
    const bool grouping_first = at_grouping();
    if (grouping_first && !ParseGrouping(*node)) return nullptr;
    const size_t before = args_.size();
    if (!ParseArguments("aggregation")) return nullptr;
    const size_t count = args_.size() - before;
    if (!grouping_first && at_grouping() && !ParseGrouping(*node)) return nullptr;
    const size_t wanted = AggregateParameter(op) == ValueType::kNone ? 1 : 2;
    const Position position{name.position.begin, LastEnd()};
    if (count == 0) return Fail(position, "no arguments for aggregate expression provided");
    if (count != wanted) {
      return Fail(position,
                  "wrong number of arguments for aggregate expression "
                  "provided, expected {}, got {}",
                  wanted, count);
    }
    node->expr = std::move(args_.back());
    args_.pop_back();
    uint32_t depth = node->expr->depth;
    if (wanted == 2) {
      node->parameter = std::move(args_.back());
      args_.pop_back();
      depth = std::max(depth, node->parameter->depth);
    }
    return Finish(std::move(node), name.position.begin, depth);
  }

  [[gnu::noinline]] bool ParseGrouping(Aggregate& node) {
    node.without = IsWord(Take(), "without");
    return ParseLabelList(node.grouping);
  }

  [[gnu::noinline]] bool ParseModifiers(Binary& node) {
    if (IsSetOp(node.op)) node.matching.cardinality = Cardinality::kManyToMany;
    if (AcceptWord("bool")) {
      node.return_bool = true;
      if (!IsComparison(node.op)) {
        Fail(Taken().position, "bool modifier can only be used on comparison operators");
        return false;
      }
    }
    VectorMatching& matching = node.matching;
    if (IsWord(Peek(), "on") || IsWord(Peek(), "ignoring")) {
      matching.on = IsWord(Take(), "on");
      if (!ParseLabelList(matching.labels)) return false;
      if (IsWord(Peek(), "group_left") || IsWord(Peek(), "group_right")) {
        const Position position = Peek().position;
        const bool left = IsWord(Take(), "group_left");
        if (IsSetOp(node.op)) {
          Fail(position, "no grouping allowed for \"{}\" operation", BinaryOpText(node.op));
          return false;
        }
        matching.cardinality = left ? Cardinality::kManyToOne : Cardinality::kOneToMany;
        if (Peek().kind == TokenKind::kLeftParen && !ParseLabelList(matching.include)) return false;
      }
    }
    return ParseFill(node);
  }

  [[gnu::noinline]] bool ParseFill(Binary& node) {
    VectorMatching& matching = node.matching;
    while (IsWord(Peek(), "fill") || IsWord(Peek(), "fill_left") || IsWord(Peek(), "fill_right")) {
      if (Peek(1).kind != TokenKind::kLeftParen) return true;  // A metric of that name.
      const Token& word = Take();
      const Keyword keyword(Text(word));
      const std::string_view which = keyword;
      if (!options().fill_modifiers) {
        Fail(word.position, "binop fill modifiers are experimental and not enabled");
        return false;
      }
      if (IsSetOp(node.op)) {
        Fail(word.position, "filling in missing series not allowed for set operators");
        return false;
      }
      Take();
      const bool minus = IsOperator(Peek(), "-");
      if (minus || IsOperator(Peek(), "+")) Take();
      const Token& token = Peek();
      const bool named = IsWord(token, "inf") || IsWord(token, "nan");
      if (token.kind != TokenKind::kNumber && token.kind != TokenKind::kDuration && !named) {
        Unexpected("fill modifier", "number");
        return false;
      }
      double value = token.kind == TokenKind::kDuration
                         ? ParseDurationSeconds(Text(token)).value_or(0)
                         : ParseNumber(Text(token)).value_or(0);
      Take();
      if (minus) value = -value;
      if (!Expect(TokenKind::kRightParen, "fill modifier", "\")\"")) return false;
      if (which != "fill_right") matching.fill_left = value;
      if (which != "fill_left") matching.fill_right = value;
    }
    return true;
  }

  // `[5m]` and `[5m:1m]`.
  [[gnu::noinline]] ExprPtr ParseRange(ExprPtr expr) {
    const Position bracket = Take().position;
    Duration range;
    if (!ParseDuration(range, true, false)) return nullptr;
    if (Accept(TokenKind::kColon)) return ParseSubquery(std::move(expr), std::move(range));
    if (!Expect(TokenKind::kRightBracket, "subquery or range", "\":\" or \"]\"")) return nullptr;
    const Position whole{expr->position.begin, LastEnd()};
    if (expr->kind != Expr::Kind::kVectorSelector) {
      return Fail(whole, "ranges only allowed for vector selectors");
    }
    auto node = std::make_unique<MatrixSelector>();
    node->vector.reset(static_cast<VectorSelector*>(expr.release()));
    if (node->vector->offset) {
      return Fail({bracket.begin, LastEnd()}, "no offset modifiers allowed before range");
    }
    if (node->vector->at) {
      return Fail({bracket.begin, LastEnd()}, "no @ modifiers allowed before range");
    }
    node->range = std::move(range);
    return Finish(std::move(node), whole.begin, 1);
  }

  [[gnu::noinline]] ExprPtr ParseSubquery(ExprPtr expr, Duration range) {
    auto node = std::make_unique<Subquery>();
    node->range = std::move(range);
    if (Peek().kind != TokenKind::kRightBracket) {
      node->step.emplace();
      if (!ParseDuration(*node->step, true, false)) return nullptr;
    }
    if (!Expect(TokenKind::kRightBracket, "subquery selector", "\"]\"")) return nullptr;
    const uint32_t begin = expr->position.begin;
    const uint32_t depth = expr->depth;
    node->expr = std::move(expr);
    return Finish(std::move(node), begin, depth);
  }

  // Arguments of the calls that are being read, outermost first.
  std::vector<ExprPtr> args_;
};

// The tokens of a usual query lie on the stack: a larger piece of the heap, which comes and goes,
// would have malloc sort its small ones each time.
struct TokenMemory {
  std::array<std::byte, 16 << 10> bytes;
  std::pmr::monotonic_buffer_resource resource{bytes.data(), bytes.size()};
};

base::Error ToError(std::string_view text, const SyntaxError& error) {
  return {base::Code::kInvalidArgument,
          LineAndColumn(text, error.position.begin) + ": parse error: " + error.message};
}

base::Result<Tokens> CheckedTokens(std::string_view text, const ParseOptions& options,
                                   TokenMemory& memory) {
  if (text.size() > options.text_bytes_max) {
    return base::Fail(base::Code::kInvalidArgument,
                      "1:1: parse error: query is longer than {} bytes", options.text_bytes_max);
  }
  auto tokens = Tokenize(text, &memory.resource);
  if (!tokens) return std::unexpected(ToError(text, tokens.error()));
  return *std::move(tokens);
}

}  // namespace

base::Result<ExprPtr> Parse(std::string_view text, const ParseOptions& options) {
  TokenMemory memory;
  ASSIGN_OR_RETURN(Tokens tokens, CheckedTokens(text, options, memory));
  Parser parser(text, options, std::move(tokens));
  ExprPtr expr = parser.ParseAll();
  if (expr == nullptr) return std::unexpected(ToError(text, parser.error()));
  return expr;
}

base::Result<std::vector<model::Matcher>> ParseSelector(std::string_view text,
                                                        const ParseOptions& options) {
  TokenMemory memory;
  ASSIGN_OR_RETURN(Tokens tokens, CheckedTokens(text, options, memory));
  Parser parser(text, options, std::move(tokens));
  const auto selector = parser.ParseOnlySelector();
  if (selector == nullptr) return std::unexpected(ToError(text, parser.error()));
  return std::move(selector->matchers);
}

std::string LineAndColumn(std::string_view text, uint32_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0.
  return fmt::format("{}:{}", line, before.size() - line_begin + 1);
}

}  // namespace narthex::promql
