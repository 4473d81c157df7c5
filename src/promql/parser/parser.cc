#include "promql/parser/parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/labels.h"
#include "promql/functions/function.h"
#include "promql/parser/check.h"
#include "promql/parser/lexer.h"
#include "promql/parser/literal.h"

namespace narthex::promql {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

// Words that can be neither a metric nor a function.
bool IsReserved(std::string_view lower) {
  return lower == "bool" || lower == "on" || lower == "ignoring" || lower == "group_left" ||
         lower == "group_right" || lower == "atan2";
}

struct OperatorRow {
  std::string_view text;
  BinaryOp op;
  int strength;
};
constexpr int kUnaryStrength = 5;  // As strong as `*`; `^` binds stronger.
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

// Recursive descent; a null pointer means that error_ says why.
class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options, std::vector<Token> tokens)
      : text_(text), options_(options), tokens_(std::move(tokens)) {}

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

  const SyntaxError& error() const { return error_; }

 private:
  // --- tokens -------------------------------------------------------------------------------
  const Token& Peek(size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  const Token& Take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }
  std::string_view Text(const Token& token) const {
    return text_.substr(token.position.begin, token.position.end - token.position.begin);
  }
  bool Accept(TokenKind kind) {
    if (Peek().kind != kind) return false;
    Take();
    return true;
  }
  bool IsWord(const Token& token, std::string_view keyword) const {
    return token.kind == TokenKind::kIdentifier &&
           token.position.end - token.position.begin == keyword.size() &&
           Lower(Text(token)) == keyword;
  }
  bool IsOperator(const Token& token, std::string_view op) const {
    return token.kind == TokenKind::kOperator && Text(token) == op;
  }
  bool AcceptWord(std::string_view keyword) {
    if (!IsWord(Peek(), keyword)) return false;
    Take();
    return true;
  }
  uint32_t LastEnd() const { return next_ == 0 ? 0 : tokens_[next_ - 1].position.end; }

  // --- errors -------------------------------------------------------------------------------
  // What formats messages stays out of line: the frames of the recursion have to be small.
  template <class... Args>
  [[gnu::noinline]] std::nullptr_t Fail(Position position, fmt::format_string<Args...> format,
                                        Args&&... args) {
    if (error_.message.empty()) {
      error_ = {position, fmt::format(format, std::forward<Args>(args)...)};
    }
    return nullptr;
  }
  [[gnu::noinline]] std::nullptr_t FailAs(Position position, std::string message) {
    return Fail(position, "{}", message);
  }
  [[gnu::noinline]] std::nullptr_t Unexpected(std::string_view context,
                                              std::string_view expected = "") {
    std::string message = "unexpected " + DescribeToken(text_, Peek());
    if (!context.empty()) message += fmt::format(" in {}", context);
    if (!expected.empty()) message += fmt::format(", expected {}", expected);
    return FailAs(Peek().position, std::move(message));
  }
  bool Expect(TokenKind kind, std::string_view context, std::string_view expected) {
    if (Accept(kind)) return true;
    Unexpected(context, expected);
    return false;
  }
  std::nullptr_t TooDeep(Position position) {
    return Fail(position, "expression is nested more than {} levels deep", options_.depth_max);
  }

  // Closes a node: position, depth limit and type check in one place.
  template <class T>
  [[gnu::noinline]] ExprPtr Finish(std::unique_ptr<T> node, uint32_t begin, uint32_t child_depth) {
    node->position = {begin, LastEnd()};
    node->depth = child_depth + 1;
    if (node->depth > options_.depth_max) return TooDeep(node->position);
    if (auto wrong = CheckNode(*node)) return FailAs(wrong->position, std::move(wrong->message));
    return node;
  }

  // --- expressions --------------------------------------------------------------------------
  [[gnu::noinline]] const OperatorRow* PeekBinaryOperator() const {
    const Token& token = Peek();
    if (token.kind != TokenKind::kOperator && token.kind != TokenKind::kIdentifier) return nullptr;
    const std::string_view word = Text(token);
    if (word.size() > 6) return nullptr;
    const std::string lower = Lower(word);
    for (const OperatorRow& row : kOperators) {
      if (row.text == lower) return &row;
    }
    return nullptr;
  }

  [[gnu::noinline]] ExprPtr ParseExpr(int strength_min) {
    if (++open_ > options_.depth_max) return TooDeep(Peek().position);
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
    const std::string lower = Lower(Text(token));
    if (lower == "inf" || lower == "nan") return ParseNumberLiteral();
    const Token& next = Peek(1);
    if (const auto op = AggregateOpFromText(lower)) {
      if (next.kind == TokenKind::kLeftParen || IsWord(next, "by") || IsWord(next, "without")) {
        return ParseAggregate(*op);
      }
    }
    if (next.kind == TokenKind::kLeftParen) return ParseCall();
    if (IsReserved(lower)) return Unexpected("");
    return ParseVectorSelector();
  }

  // --- calls and aggregations -----------------------------------------------------------------
  // "(a, b)": false with error_ set. The second argument of info() selects labels, not series, and
  // may match everything. A comma behind the last argument is refused.
  [[gnu::noinline]] bool ParseArguments(std::vector<ExprPtr>& args, std::string_view context,
                                        bool second_is_labels = false) {
    if (!Expect(TokenKind::kLeftParen, context, "\"(\"")) return false;
    if (Accept(TokenKind::kRightParen)) return true;
    while (true) {
      const bool labels_only =
          second_is_labels && args.size() == 1 && Peek().kind == TokenKind::kLeftBrace;
      ExprPtr arg = labels_only ? ParseVectorSelector(true) : ParseExpr(1);
      if (arg == nullptr) return false;
      args.push_back(std::move(arg));
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
    if (function->experimental && !options_.experimental_functions) {
      return Fail(name.position, "function \"{}\" is not enabled", Text(name));
    }
    auto node = std::make_unique<Call>();
    node->function = function;
    node->type = function->result;
    if (!ParseArguments(node->args, "function call", function->name == "info")) return nullptr;
    uint32_t depth = 0;
    for (const ExprPtr& arg : node->args) depth = std::max(depth, arg->depth);
    return Finish(std::move(node), name.position.begin, depth);
  }

  [[gnu::noinline]] ExprPtr ParseAggregate(AggregateOp op) {
    const Token& name = Take();
    if ((op == AggregateOp::kLimitk || op == AggregateOp::kLimitRatio) &&
        !options_.experimental_functions) {
      return Fail(name.position, "{}() is experimental and must be enabled", AggregateOpText(op));
    }
    auto node = std::make_unique<Aggregate>();
    node->op = op;
    const auto at_grouping = [&] { return IsWord(Peek(), "by") || IsWord(Peek(), "without"); };
    const bool grouping_first = at_grouping();
    if (grouping_first && !ParseGrouping(*node)) return nullptr;
    std::vector<ExprPtr> args;
    if (!ParseArguments(args, "aggregation")) return nullptr;
    if (!grouping_first && at_grouping() && !ParseGrouping(*node)) return nullptr;
    const size_t wanted = AggregateParameter(op) == ValueType::kNone ? 1 : 2;
    const Position position{name.position.begin, LastEnd()};
    if (args.empty()) return Fail(position, "no arguments for aggregate expression provided");
    if (args.size() != wanted) {
      return Fail(position,
                  "wrong number of arguments for aggregate expression "
                  "provided, expected {}, got {}",
                  wanted, args.size());
    }
    node->expr = std::move(args.back());
    uint32_t depth = node->expr->depth;
    if (wanted == 2) {
      node->parameter = std::move(args.front());
      depth = std::max(depth, node->parameter->depth);
    }
    return Finish(std::move(node), name.position.begin, depth);
  }

  [[gnu::noinline]] bool ParseGrouping(Aggregate& node) {
    node.without = IsWord(Take(), "without");
    return ParseLabelList(node.grouping);
  }

  // "(a, b,)" as by, on and group_left take it.
  [[gnu::noinline]] bool ParseLabelList(std::vector<std::string>& labels) {
    constexpr std::string_view kContext = "grouping opts";
    if (!Expect(TokenKind::kLeftParen, kContext, "\"(\"")) return false;
    while (!Accept(TokenKind::kRightParen)) {
      const Token& token = Peek();
      if (token.kind == TokenKind::kString) {
        auto name = Unquote(Text(token));
        if (!name || name->empty() || !model::IsValidUtf8(*name)) {
          Fail(token.position, "invalid label name for grouping: {}", Text(token));
          return false;
        }
        labels.push_back(*std::move(name));
      } else if (token.kind == TokenKind::kIdentifier && model::IsLegacyLabelName(Text(token))) {
        labels.emplace_back(Text(token));
      } else {
        Unexpected(kContext, "label");
        return false;
      }
      Take();
      if (Accept(TokenKind::kComma)) continue;
      if (Peek().kind == TokenKind::kRightParen) continue;
      Unexpected(kContext, "\",\" or \")\"");
      return false;
    }
    return true;
  }

  // --- modifiers of binary operators ------------------------------------------------------------
  [[gnu::noinline]] bool ParseModifiers(Binary& node) {
    if (IsSetOp(node.op)) node.matching.cardinality = Cardinality::kManyToMany;
    if (AcceptWord("bool")) {
      node.return_bool = true;
      if (!IsComparison(node.op)) {
        Fail(tokens_[next_ - 1].position, "bool modifier can only be used on comparison operators");
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
      const std::string which = Lower(Text(word));
      if (!options_.fill_modifiers) {
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

  // --- selectors --------------------------------------------------------------------------------
  [[gnu::noinline]] std::unique_ptr<VectorSelector> ParseVectorSelector(bool labels_only = false) {
    auto node = std::make_unique<VectorSelector>();
    const uint32_t begin = Peek().position.begin;
    if (Peek().kind == TokenKind::kIdentifier) {
      node->name = Text(Take());
    } else if (Peek().kind != TokenKind::kLeftBrace) {
      return Unexpected("");
    }
    if (Accept(TokenKind::kLeftBrace) && !ParseMatchers(*node)) return nullptr;
    node->position = {begin, LastEnd()};
    if (!node->name.empty()) {
      for (const model::Matcher& matcher : node->matchers) {
        if (matcher.name() == model::kMetricName &&
            matcher.type() == model::Matcher::Type::kEqual) {
          return Fail(node->position,
                      "metric name must not be set twice: \"{}\" or "
                      "\"{}\"",
                      node->name, matcher.value());
        }
      }
      node->matchers.push_back(model::Matcher::Equal(std::string(model::kMetricName), node->name));
    }
    const bool selective = std::ranges::any_of(
        node->matchers, [](const model::Matcher& matcher) { return !matcher.MatchesEmpty(); });
    if (!selective && !labels_only) {
      return Fail(node->position, "vector selector must contain at least one non-empty matcher");
    }
    return node;
  }

  [[gnu::noinline]] bool ParseMatchers(VectorSelector& node) {
    while (!Accept(TokenKind::kRightBrace)) {
      if (!ParseMatcher(node)) return false;
      if (Accept(TokenKind::kComma)) continue;
      if (Peek().kind == TokenKind::kRightBrace) continue;
      Unexpected("label matching", "\",\" or \"}\"");
      return false;
    }
    return true;
  }

  [[gnu::noinline]] bool ParseMatcher(VectorSelector& node) {
    constexpr std::string_view kContext = "label matching";
    const Token& name_token = Peek();
    std::string name;
    if (name_token.kind == TokenKind::kString) {
      auto unquoted = Unquote(Text(name_token));
      if (!unquoted) return FailAs(name_token.position, unquoted.error().message) != nullptr;
      name = *std::move(unquoted);
    } else if (name_token.kind == TokenKind::kIdentifier) {
      name = Text(name_token);
    } else {
      return Unexpected(kContext, "identifier or \"}\"") != nullptr;
    }
    Take();
    const Token& op = Peek();
    if (name_token.kind == TokenKind::kString &&
        (op.kind == TokenKind::kComma || op.kind == TokenKind::kRightBrace)) {
      return SetQuotedName(node, std::move(name), name_token.position);
    }
    model::Matcher::Type type;
    if (op.kind == TokenKind::kEqual) {
      type = model::Matcher::Type::kEqual;
    } else if (IsOperator(op, "!=")) {
      type = model::Matcher::Type::kNotEqual;
    } else if (IsOperator(op, "=~")) {
      type = model::Matcher::Type::kRegex;
    } else if (IsOperator(op, "!~")) {
      type = model::Matcher::Type::kNotRegex;
    } else {
      return Unexpected(kContext, "label matching operator") != nullptr;
    }
    Take();
    const Token& value_token = Peek();
    if (value_token.kind != TokenKind::kString) {
      return Unexpected(kContext, "string") != nullptr;
    }
    auto value = Unquote(Text(value_token));
    if (!value) return FailAs(value_token.position, value.error().message) != nullptr;
    Take();
    auto matcher = model::Matcher::From(type, std::move(name), *std::move(value));
    if (!matcher) return FailAs(name_token.position, matcher.error().message) != nullptr;
    node.matchers.push_back(*std::move(matcher));
    return true;
  }

  // `{"metric.name"}`.
  bool SetQuotedName(VectorSelector& node, std::string name, Position position) {
    if (!node.name.empty()) {
      Fail(position, "metric name must not be set twice: \"{}\" or \"{}\"", node.name, name);
      return false;
    }
    if (!model::IsValidUtf8(name)) {
      Fail(position, "\"{}\" is not a valid metric name", name);
      return false;
    }
    node.name = std::move(name);
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

  // The offset and @ of a node that can have them; null pointers elsewhere.
  struct Modifiers {
    std::optional<Duration>* offset = nullptr;
    AtModifier* at = nullptr;
  };
  static Modifiers ModifiersOf(Expr& expr) {
    switch (expr.kind) {
      case Expr::Kind::kVectorSelector:
        return {&As<VectorSelector>(expr).offset, &As<VectorSelector>(expr).at};
      case Expr::Kind::kMatrixSelector:
        return {&As<MatrixSelector>(expr).vector->offset, &As<MatrixSelector>(expr).vector->at};
      case Expr::Kind::kSubquery:
        return {&As<Subquery>(expr).offset, &As<Subquery>(expr).at};
      default:
        return {};
    }
  }

  [[gnu::noinline]] ExprPtr ParseOffset(ExprPtr expr) {
    const Token& word = Take();
    const Modifiers modifiers = ModifiersOf(*expr);
    Duration offset;
    if (!ParseDuration(offset, false, true)) return nullptr;
    const Position position{word.position.begin, LastEnd()};
    if (modifiers.offset == nullptr) {
      return Fail({expr->position.begin, LastEnd()},
                  "offset modifier must be preceded by an instant vector selector or range vector "
                  "selector or a subquery");
    }
    if (*modifiers.offset) return Fail(position, "offset may not be set multiple times");
    *modifiers.offset = std::move(offset);
    expr->position.end = LastEnd();
    return expr;
  }

  [[gnu::noinline]] ExprPtr ParseAt(ExprPtr expr) {
    const Token at_token = Take();
    AtModifier at;
    const bool minus = IsOperator(Peek(), "-");
    if (minus || IsOperator(Peek(), "+")) Take();
    const Token& token = Peek();
    if (token.kind == TokenKind::kNumber || token.kind == TokenKind::kDuration ||
        IsWord(token, "inf") || IsWord(token, "nan")) {
      const double seconds =
          (minus ? -1 : 1) * (token.kind == TokenKind::kDuration ? ParseDurationSeconds(Text(token))
                                                                 : ParseNumber(Text(token)))
                                 .value_or(0);
      if (!(std::fabs(seconds) < 9.2e15)) {
        return Fail({at_token.position.begin, token.position.end},
                    "timestamp out of bounds for @ modifier: {}", Text(token));
      }
      at.kind = AtModifier::Kind::kTime;
      at.time = static_cast<model::Timestamp>(std::round(seconds * 1000));
      Take();
    } else if (IsWord(token, "start") || IsWord(token, "end")) {
      at.kind = IsWord(Take(), "start") ? AtModifier::Kind::kStart : AtModifier::Kind::kEnd;
      if (!Expect(TokenKind::kLeftParen, "@", "\"(\"")) return nullptr;
      if (!Expect(TokenKind::kRightParen, "@", "\")\"")) return nullptr;
    } else {
      return Unexpected("@", "timestamp");
    }
    const Modifiers modifiers = ModifiersOf(*expr);
    if (modifiers.at == nullptr) {
      return Fail({expr->position.begin, LastEnd()},
                  "@ modifier must be preceded by an instant vector selector or range vector "
                  "selector or a subquery");
    }
    if (*modifiers.at) {
      return Fail({at_token.position.begin, LastEnd()},
                  "@ <timestamp> may not be set multiple times");
    }
    *modifiers.at = at;
    expr->position.end = LastEnd();
    return expr;
  }

  [[gnu::noinline]] ExprPtr ParseRangeModifier(ExprPtr expr) {
    const Token& word = Take();
    const bool anchored = IsWord(word, "anchored");
    if (!options_.extended_range_selectors) {
      return Fail(word.position, "{} modifier is experimental and not enabled",
                  anchored ? "anchored" : "smoothed");
    }
    VectorSelector* selector = nullptr;
    if (expr->kind == Expr::Kind::kVectorSelector && !anchored) {
      selector = &As<VectorSelector>(*expr);
    }
    if (expr->kind == Expr::Kind::kMatrixSelector) {
      selector = As<MatrixSelector>(*expr).vector.get();
    }
    if (selector == nullptr) {
      return Fail(word.position, "{} modifier not implemented", anchored ? "anchored" : "smoothed");
    }
    (anchored ? selector->anchored : selector->smoothed) = true;
    if (selector->anchored && selector->smoothed) {
      return Fail(word.position, "anchored and smoothed modifiers cannot be used together");
    }
    expr->position.end = LastEnd();
    return expr;
  }

  // --- durations --------------------------------------------------------------------------------
  // `positive`: a range or step. `simple`: an offset, where arithmetic needs parentheses.
  bool ParseDuration(Duration& duration, bool positive, bool simple) {
    const uint32_t begin = Peek().position.begin;
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
    const double seconds = literal ? expr->seconds : -expr->left->seconds;
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

  [[gnu::noinline]] DurationExprPtr MakeDuration(DurationExpr::Op op, uint32_t begin,
                                                 DurationExprPtr left, DurationExprPtr right) {
    auto node = std::make_unique<DurationExpr>();
    node->op = op;
    node->position = {begin, LastEnd()};
    node->depth = 1 + std::max(left ? left->depth : 0, right ? right->depth : 0);
    if (node->depth > options_.depth_max) return TooDeep(node->position);
    node->left = std::move(left);
    node->right = std::move(right);
    return node;
  }

  [[gnu::noinline]] DurationExprPtr ParseDurationExpr(int strength_min) {
    if (++open_ > options_.depth_max) return TooDeep(Peek().position);
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

  [[gnu::noinline]] DurationExprPtr ParseDurationUnary(bool powers) {
    const Token& sign = Peek();
    if (!IsOperator(sign, "-") && !IsOperator(sign, "+")) return ParseDurationPrimary();
    const bool minus = IsOperator(sign, "-");
    const uint32_t begin = Take().position.begin;
    if (++open_ > options_.depth_max) return TooDeep(sign.position);
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

  [[gnu::noinline]] DurationExprPtr ParseDurationPrimary() {
    const Token& token = Peek();
    const uint32_t begin = token.position.begin;
    if (token.kind == TokenKind::kNumber || token.kind == TokenKind::kDuration) {
      Take();
      auto node = MakeDuration(DurationExpr::Op::kLiteral, begin, nullptr, nullptr);
      node->written_as_number = token.kind == TokenKind::kNumber;
      node->seconds =
          (node->written_as_number ? ParseNumber(Text(token)) : ParseDurationSeconds(Text(token)))
              .value_or(0);
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

  [[gnu::noinline]] DurationExprPtr ParseDurationCall() {
    const Token& name = Take();
    const std::string lower = Lower(Text(name));
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

  const std::string_view text_;
  const ParseOptions& options_;
  const std::vector<Token> tokens_;
  size_t next_ = 0;
  uint32_t open_ = 0;  // Nested calls of the parser, which bound its own stack.
  SyntaxError error_;
};

base::Error ToError(std::string_view text, const SyntaxError& error) {
  return {base::Code::kInvalidArgument,
          LineAndColumn(text, error.position.begin) + ": parse error: " + error.message};
}

base::Result<std::vector<Token>> CheckedTokens(std::string_view text, const ParseOptions& options) {
  if (text.size() > options.text_bytes_max) {
    return base::Fail(base::Code::kInvalidArgument,
                      "1:1: parse error: query is longer than {} bytes", options.text_bytes_max);
  }
  auto tokens = Tokenize(text);
  if (!tokens) return std::unexpected(ToError(text, tokens.error()));
  return *std::move(tokens);
}

}  // namespace

base::Result<ExprPtr> Parse(std::string_view text, const ParseOptions& options) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, CheckedTokens(text, options));
  Parser parser(text, options, std::move(tokens));
  ExprPtr expr = parser.ParseAll();
  if (expr == nullptr) return std::unexpected(ToError(text, parser.error()));
  return expr;
}

base::Result<std::vector<model::Matcher>> ParseSelector(std::string_view text,
                                                        const ParseOptions& options) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, CheckedTokens(text, options));
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
