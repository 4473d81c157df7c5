#include "promql/parser/check.h"

#include <fmt/core.h>

#include <algorithm>

#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

using Wrong = std::optional<SyntaxError>;

[[gnu::noinline]] SyntaxError WrongType(const Expr& arg, ValueType type, std::string_view where) {
  return SyntaxError{arg.position,
                     fmt::format("expected type {} in {}, got {}", ValueTypeText(type), where,
                                 ValueTypeText(arg.type))};
}

Wrong Expected(const Expr& arg, ValueType type, std::string_view where) {
  if (arg.type == type) return std::nullopt;
  return WrongType(arg, type, where);
}

bool IsNumeric(ValueType type) { return type == ValueType::kScalar || type == ValueType::kVector; }

Wrong CheckUnary(Unary& node) {
  node.type = node.expr->type;
  if (IsNumeric(node.type)) return std::nullopt;
  return SyntaxError{node.position,
                     fmt::format("unary expression only allowed on expressions of type scalar or "
                                 "instant vector, got \"{}\"",
                                 ValueTypeText(node.type))};
}

Wrong CheckBinary(Binary& node) {
  const ValueType left = node.left->type;
  const ValueType right = node.right->type;
  const auto wrong = [&](const Expr& where, std::string message) {
    return SyntaxError{where.position, std::move(message)};
  };
  if (!IsNumeric(left)) {
    return wrong(*node.left, "binary expression must contain only scalar and instant vector types");
  }
  if (!IsNumeric(right)) {
    return wrong(*node.right,
                 "binary expression must contain only scalar and instant vector types");
  }
  const bool scalars = left == ValueType::kScalar && right == ValueType::kScalar;
  node.type = scalars ? ValueType::kScalar : ValueType::kVector;
  if (IsComparison(node.op) && !node.return_bool && scalars) {
    return wrong(node, "comparisons between scalars must use BOOL modifier");
  }
  const VectorMatching& matching = node.matching;
  if (matching.on) {
    for (const std::string& label : matching.labels) {
      if (std::ranges::find(matching.include, label) != matching.include.end()) {
        return wrong(
            node, fmt::format("label \"{}\" must not occur in ON and GROUP clause at once", label));
      }
    }
  }
  if (node.BothVectors()) return std::nullopt;
  if (IsSetOp(node.op)) {
    return wrong(node, fmt::format("set operator \"{}\" not allowed in binary scalar expression",
                                   BinaryOpText(node.op)));
  }
  if (!matching.labels.empty() || matching.on || matching.cardinality != Cardinality::kOneToOne) {
    return wrong(node, "vector matching only allowed between instant vectors");
  }
  if (matching.fill_left || matching.fill_right) {
    return wrong(node, "filling in missing series only allowed between instant vectors");
  }
  return std::nullopt;
}

Wrong CheckCall(Call& node) {
  const Function& function = *node.function;
  const size_t count = node.args.size();
  if (count < function.required || count > function.args_max()) {
    std::string_view bound;
    size_t wanted = function.required;
    if (count > function.required) wanted = function.args_max();
    if (function.required != function.args_max()) {
      bound = count < function.required ? "at least " : "at most ";
    }
    return SyntaxError{node.position,
                       fmt::format("expected {}{} argument(s) in call to \"{}\", got {}", bound,
                                   wanted, function.name, count)};
  }
  for (size_t i = 0; i < count; ++i) {
    if (node.args[i]->type == function.arg(i)) continue;
    return WrongType(*node.args[i], function.arg(i),
                     fmt::format("call to function \"{}\"", function.name));
  }
  // The second argument of info() only looks like a selector: it names labels.
  if (function.name == "info" && count == 2 &&
      Unwrap(*node.args[1]).kind != Expr::Kind::kVectorSelector) {
    return SyntaxError{node.args[1]->position,
                       "expected label selectors only, got vector selector instead"};
  }
  return std::nullopt;
}

Wrong CheckAggregate(Aggregate& node) {
  if (auto wrong = Expected(*node.expr, ValueType::kVector, "aggregation expression")) return wrong;
  const ValueType type = AggregateParameter(node.op);
  if (type == ValueType::kNone) return std::nullopt;
  return Expected(*node.parameter, type, "aggregation parameter");
}

Wrong CheckSubquery(Subquery& node) {
  if (node.expr->type == ValueType::kVector) return std::nullopt;
  return SyntaxError{node.position,
                     fmt::format("subquery is only allowed on instant vector, got {} instead",
                                 ValueTypeName(node.expr->type))};
}

}  // namespace

std::optional<SyntaxError> CheckNode(Expr& node) {
  switch (node.kind) {
    case Expr::Kind::kUnary:
      return CheckUnary(As<Unary>(node));
    case Expr::Kind::kBinary:
      return CheckBinary(As<Binary>(node));
    case Expr::Kind::kCall:
      return CheckCall(As<Call>(node));
    case Expr::Kind::kAggregate:
      return CheckAggregate(As<Aggregate>(node));
    case Expr::Kind::kSubquery:
      return CheckSubquery(As<Subquery>(node));
    default:
      return std::nullopt;
  }
}

}  // namespace narthex::promql
