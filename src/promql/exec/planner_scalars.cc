// Scalars, which are evaluated while planning.

#include "promql/exec/arithmetic.h"
#include "promql/exec/planner.h"
#include "promql/exec/watch.h"
#include "promql/functions/function.h"

namespace narthex::promql {
base::Result<std::vector<double>> Planner::Scalar(const Expr& expr, const Grid& grid) {
  RETURN_IF_ERROR(context_.budget.Check());
  RETURN_IF_ERROR(context_.budget.AdmitBytes(grid.steps * sizeof(double)));
  const Expr& inner = Unwrap(expr);
  switch (inner.kind) {
    case Expr::Kind::kNumber:
      return std::vector<double>(grid.steps, As<Number>(inner).value);
    case Expr::Kind::kUnary: {
      ASSIGN_OR_RETURN(std::vector<double> values, Scalar(*As<Unary>(inner).expr, grid));
      if (As<Unary>(inner).negate) {
        for (double& value : values) value = -value;
      }
      return values;
    }
    case Expr::Kind::kBinary:
      return ScalarBinary(As<Binary>(inner), grid);
    case Expr::Kind::kCall:
      if (const auto* fn = std::get_if<ScalarFn>(&As<Call>(inner).function->evaluator)) {
        return (*fn)(*this, As<Call>(inner), grid);
      }
      break;
    default:
      break;
  }
  return base::Fail(base::Code::kInternal, "expression has no scalar evaluator");
}

base::Result<std::vector<double>> Planner::ScalarBinary(const Binary& node, const Grid& grid) {
  ASSIGN_OR_RETURN(std::vector<double> values, Scalar(*node.left, grid));
  ASSIGN_OR_RETURN(const std::vector<double> right, Scalar(*node.right, grid));
  Watch watch(context_.budget);
  watch.InStretches(0, values.size(), [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) {
      values[step] = Apply(node.op, values[step], right[step]);
    }
  });
  return values;
}

}  // namespace narthex::promql
