#include "promql/parser/selector_parser.h"

#include <algorithm>
#include <cmath>

#include "model/labels.h"
#include "promql/parser/literal.h"

namespace narthex::promql {
namespace {

// The offset and @ of a node that can have them; null pointers elsewhere.
struct Modifiers {
  std::optional<Duration>* offset = nullptr;
  AtModifier* at = nullptr;
};
Modifiers ModifiersOf(Expr& expr) {
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

}  // namespace

bool SelectorParser::ParseLabelList(std::vector<std::string>& labels) {
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

std::unique_ptr<VectorSelector> SelectorParser::ParseVectorSelector(bool labels_only) {
  auto node = std::make_unique<VectorSelector>();
  const uint32_t begin = Peek().position.begin;
  if (Peek().kind == TokenKind::kIdentifier) {
    node->name = Text(Take());
    node->matchers.reserve(Peek().kind == TokenKind::kLeftBrace ? 2 : 1);
  } else if (Peek().kind != TokenKind::kLeftBrace) {
    return Unexpected("");
  }
  if (Accept(TokenKind::kLeftBrace) && !ParseMatchers(*node)) return nullptr;
  node->position = {begin, LastEnd()};
  if (!node->name.empty()) {
    for (const model::Matcher& matcher : node->matchers) {
      if (matcher.name() == model::kMetricName && matcher.type() == model::Matcher::Type::kEqual) {
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

bool SelectorParser::ParseMatchers(VectorSelector& node) {
  while (!Accept(TokenKind::kRightBrace)) {
    if (!ParseMatcher(node)) return false;
    if (Accept(TokenKind::kComma)) continue;
    if (Peek().kind == TokenKind::kRightBrace) continue;
    Unexpected("label matching", "\",\" or \"}\"");
    return false;
  }
  return true;
}

bool SelectorParser::ParseMatcher(VectorSelector& node) {
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
  if (type == model::Matcher::Type::kEqual) {
    node.matchers.push_back(model::Matcher::Equal(std::move(name), *std::move(value)));
    return true;
  }
  auto matcher = model::Matcher::From(type, std::move(name), *std::move(value));
  if (!matcher) return FailAs(name_token.position, matcher.error().message) != nullptr;
  node.matchers.push_back(*std::move(matcher));
  return true;
}

bool SelectorParser::SetQuotedName(VectorSelector& node, std::string name, Position position) {
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

ExprPtr SelectorParser::ParseOffset(ExprPtr expr) {
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

ExprPtr SelectorParser::ParseAt(ExprPtr expr) {
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

ExprPtr SelectorParser::ParseRangeModifier(ExprPtr expr) {
  const Token& word = Take();
  const bool anchored = IsWord(word, "anchored");
  if (!options().extended_range_selectors) {
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

}  // namespace narthex::promql
