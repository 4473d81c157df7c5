#include "promql/parser/ast.h"

#include <array>

namespace narthex::promql {
namespace {

constexpr std::array<std::string_view, 18> kBinaryOps = {"+",      "-",     "*",  "/",   "%",
                                                         "^",      "atan2", "==", "!=",  ">",
                                                         "<",      ">=",    "<=", "and", "or",
                                                         "unless", "</",    ">/"};
constexpr std::array<std::string_view, 14> kAggregateOps = {
    "sum",    "avg",  "min",     "max",          "count",    "group",  "stddev",
    "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};

}  // namespace

std::string_view ValueTypeText(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
    case ValueType::kString:
      return "string";
    case ValueType::kNone:
      break;
  }
  return "none";
}

std::string_view ValueTypeName(ValueType type) {
  switch (type) {
    case ValueType::kVector:
      return "vector";
    case ValueType::kMatrix:
      return "matrix";
    default:
      return ValueTypeText(type);
  }
}

std::string_view BinaryOpText(BinaryOp op) { return kBinaryOps[static_cast<size_t>(op)]; }

std::string_view AggregateOpText(AggregateOp op) { return kAggregateOps[static_cast<size_t>(op)]; }

std::optional<AggregateOp> AggregateOpFromText(std::string_view lower_case) {
  for (size_t i = 0; i < kAggregateOps.size(); ++i) {
    const std::string_view op = kAggregateOps[i];
    if (op.size() == lower_case.size() && op[0] == lower_case[0] && op == lower_case) {
      return static_cast<AggregateOp>(i);
    }
  }
  return std::nullopt;
}

ValueType AggregateParameter(AggregateOp op) {
  switch (op) {
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk:
    case AggregateOp::kQuantile:
    case AggregateOp::kLimitk:
    case AggregateOp::kLimitRatio:
      return ValueType::kScalar;
    case AggregateOp::kCountValues:
      return ValueType::kString;
    default:
      return ValueType::kNone;
  }
}

const Expr& Unwrap(const Expr& expr) {
  const Expr* at = &expr;
  while (at->kind == Expr::Kind::kParen) at = As<Paren>(*at).expr.get();
  return *at;
}

}  // namespace narthex::promql
