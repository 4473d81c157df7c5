// How range vectors, and functions over them, become operators.

#include <algorithm>

#include "model/number.h"
#include "promql/exec/plan.h"
#include "promql/exec/planner.h"
#include "promql/exec/selector.h"
#include "promql/exec/window.h"
#include "promql/functions/extended.h"
#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

base::Status CheckSmoothingFactors(const ScalarArgs& scalars) {
  constexpr std::string_view kNames[] = {"smoothing", "trend"};
  constexpr std::string_view kShort[] = {"sf", "tf"};
  for (size_t i = 0; i < 2; ++i) {
    for (const double factor : scalars[i]) {
      if (factor > 0 && factor < 1) continue;
      return base::Fail(base::Code::kFailedPrecondition,
                        "invalid {} factor. Expected: 0 < {} < 1, got: {:f}", kNames[i], kShort[i],
                        factor);
    }
  }
  return {};
}

WindowCall::Extension ExtensionOf(const Expr& arg) {
  const Expr& inner = Unwrap(arg);
  if (inner.kind != Expr::Kind::kMatrixSelector) return WindowCall::Extension::kNone;
  const VectorSelector& selector = *As<MatrixSelector>(inner).vector;
  if (selector.anchored) return WindowCall::Extension::kAnchored;
  return selector.smoothed ? WindowCall::Extension::kSmoothed : WindowCall::Extension::kNone;
}

// The variant of a function that its argument asks for: only some know windows that reach beyond
// their range.
base::Result<WindowFn> VariantFor(const Function& function, WindowFn fn, const Expr& arg) {
  const Expr& inner = Unwrap(arg);
  if (inner.kind != Expr::Kind::kMatrixSelector) return fn;
  const VectorSelector& selector = *As<MatrixSelector>(inner).vector;
  if (!selector.anchored && !selector.smoothed) return fn;
  if (const WindowFn variant = ExtendedVariant(fn, selector.smoothed)) return variant;
  return base::Fail(
      base::Code::kFailedPrecondition, "{} modifier can only be used with: {} - not with {}",
      selector.anchored ? "anchored" : "smoothed",
      selector.anchored ? "changes, delta, increase, rate, resets" : "delta, increase, rate",
      function.name);
}

}  // namespace

base::Result<VectorOperatorPtr> Planner::WindowNode(const Call& node, WindowFn fn,
                                                    const Grid& grid) {
  MatrixOperatorPtr input;
  WindowCall call;
  WindowFn variant = fn;
  call.grid = grid;
  call.base = fn;
  call.annotations = &context_.annotations;
  call.lookback_ms = context_.lookback_ms;
  for (const ExprPtr& arg : node.args) {
    if (arg->type == ValueType::kMatrix) {
      ASSIGN_OR_RETURN(variant, VariantFor(*node.function, fn, *arg));
      call.at = arg->position;
      call.extension = ExtensionOf(*arg);
      ASSIGN_OR_RETURN(input, Matrix(*arg, grid));
      call.check_counter = fn == &Rate || fn == &Increase;
    } else {
      ASSIGN_OR_RETURN(call.scalars.emplace_back(), Scalar(*arg, grid));
    }
  }
  if (fn == &DoubleExponentialSmoothing) RETURN_IF_ERROR(CheckSmoothingFactors(call.scalars));
  if (fn == &QuantileOverTime) WarnOfQuantiles(context_, call.scalars[0], node.args[0]->position);
  call.windows = input->windows;
  if (input->readable() > 0) Note(context_, "selector and function in one, in parts");
  const bool keep_name = fn == &LastOverTime || fn == &FirstOverTime;
  return MakeWindowOperator(context_, std::move(input), variant, std::move(call), keep_name);
}

base::Result<MatrixOperatorPtr> Planner::Matrix(const Expr& expr, const Grid& grid) {
  const Expr& inner = Unwrap(expr);
  if (inner.kind == Expr::Kind::kSubquery) return SubqueryNode(As<Subquery>(inner), grid);
  if (inner.kind == Expr::Kind::kMatrixSelector) {
    return MakeRangeSelector(context_, As<MatrixSelector>(inner), grid);
  }
  return base::Fail(base::Code::kInternal, "expression has no range vector evaluator");
}

base::Result<MatrixOperatorPtr> Planner::SubqueryNode(const Subquery& node, const Grid& grid) {
  const int64_t interval = node.step ? node.step->ms : context_.subquery_step_ms;
  const Windows windows = WindowsOf(grid, node.offset, node.at, node.range.ms);
  // The first multiple of the interval inside the first window, which is open at the left.
  const model::Timestamp open_end = windows.first_end - windows.range;
  model::Timestamp start = open_end / interval * interval;
  if (start <= open_end) start += interval;
  const model::Timestamp end = windows.End(windows.steps - 1);
  if (start > end)
    return MakeSubquery(context_, MakeRowsOperator({}, context_.budget), {start, 1, 1}, windows);
  const Grid inner_grid{start, interval, static_cast<size_t>((end - start) / interval) + 1};
  RETURN_IF_ERROR(context_.budget.Charge(inner_grid.steps));
  context_.budget.Release(inner_grid.steps);
  ASSIGN_OR_RETURN(auto inner, Vector(*node.expr, inner_grid));
  return MakeSubquery(context_, std::move(inner), inner_grid, windows);
}

void WarnOfQuantiles(QueryContext& context, const std::vector<double>& quantiles, Position at) {
  for (const double q : quantiles) {
    if (q >= 0 && q <= 1) continue;
    context.annotations.Warn(at, "quantile value should be between 0 and 1, got {}",
                             model::FormatFloat(q));
  }
}

}  // namespace narthex::promql
