// What `@` and literals pin.

#include <algorithm>

#include "promql/exec/planner.h"
#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

// Functions whose value depends on the evaluation time whatever `@` says.
bool DependsOnEvaluationTime(const Call& call) {
  static constexpr std::string_view kNames[] = {
      "day_of_month", "day_of_week",    "day_of_year", "days_in_month", "hour", "minute",
      "month",        "predict_linear", "time",        "timestamp",     "year"};
  return std::ranges::find(kNames, call.function->name) != std::end(kNames);
}

}  // namespace

bool IsStepInvariant(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return true;
    case Expr::Kind::kVectorSelector:
      return static_cast<bool>(As<VectorSelector>(expr).at);
    case Expr::Kind::kMatrixSelector:
      return static_cast<bool>(As<MatrixSelector>(expr).vector->at);
    case Expr::Kind::kSubquery:
      return static_cast<bool>(As<Subquery>(expr).at);
    case Expr::Kind::kUnary:
      return IsStepInvariant(*As<Unary>(expr).expr);
    case Expr::Kind::kParen:
      return IsStepInvariant(*As<Paren>(expr).expr);
    case Expr::Kind::kBinary:
      return IsStepInvariant(*As<Binary>(expr).left) && IsStepInvariant(*As<Binary>(expr).right);
    case Expr::Kind::kAggregate: {
      const auto& node = As<Aggregate>(expr);
      return IsStepInvariant(*node.expr) &&
             (node.parameter == nullptr || IsStepInvariant(*node.parameter));
    }
    case Expr::Kind::kCall: {
      const auto& call = As<Call>(expr);
      return !DependsOnEvaluationTime(call) &&
             std::ranges::all_of(call.args,
                                 [](const ExprPtr& arg) { return IsStepInvariant(*arg); });
    }
  }
  return false;
}

}  // namespace narthex::promql
