#include "promql/exec/planner.h"

#include "promql/exec/aggregate.h"
#include "promql/exec/binary.h"
#include "promql/exec/plan.h"
#include "promql/exec/selector.h"
#include "promql/functions/function.h"
#include "promql/parser/printer.h"

namespace narthex::promql {
base::Result<VectorOperatorPtr> Planner::Vector(const Expr& expr, const Grid& grid) {
  const Expr& inner = Unwrap(expr);
  if (context_.plan == nullptr) return PlanVector(inner, grid);
  PlanNode& node = *context_.plan->inputs.emplace_back(std::make_unique<PlanNode>());
  node.text = OperatorText(inner);
  PlanNode* const parent = std::exchange(context_.plan, &node);
  base::Result<VectorOperatorPtr> planned = [&] {
    const ScopedMeasure measure(context_, node);
    return PlanVector(inner, grid);
  }();
  context_.plan = parent;
  if (!planned) return planned;
  return MakeProbe(context_, *std::move(planned), node);
}

base::Result<VectorOperatorPtr> Planner::PlanVector(const Expr& expr, const Grid& grid) {
  if (grid.steps > 1 && context_.passes.pin_invariants && IsStepInvariant(expr)) {
    Note(context_, "the same at every step");
    return Broadcast(expr, grid);
  }
  return VectorNode(expr, grid);
}

base::Result<VectorOperatorPtr> Planner::VectorNode(const Expr& expr, const Grid& grid) {
  switch (expr.kind) {
    case Expr::Kind::kVectorSelector:
      return MakeInstantSelector(context_, As<VectorSelector>(expr), grid, InstantValue::kSample);
    case Expr::Kind::kUnary:
      return UnaryNode(As<Unary>(expr), grid);
    case Expr::Kind::kCall:
      return CallNode(As<Call>(expr), grid);
    case Expr::Kind::kAggregate:
      return MakeAggregate(*this, As<Aggregate>(expr), grid);
    case Expr::Kind::kBinary: {
      const auto& node = As<Binary>(expr);
      if (!node.BothVectors()) return MakeVectorScalar(*this, node, grid);
      if (IsSetOp(node.op)) return MakeSetOp(*this, node, grid);
      return MakeJoin(*this, node, grid);
    }
    default:
      break;
  }
  return base::Fail(base::Code::kInternal, "expression has no vector evaluator");
}

base::Result<VectorOperatorPtr> Planner::CallNode(const Call& node, const Grid& grid) {
  const Evaluator& evaluator = node.function->evaluator;
  if (const auto* fn = std::get_if<WindowFn>(&evaluator)) return WindowNode(node, *fn, grid);
  if (const auto* fn = std::get_if<ElementFn>(&evaluator)) return ElementNode(node, *fn, grid);
  if (const auto* fn = std::get_if<VectorFn>(&evaluator)) return (*fn)(*this, node, grid);
  return base::Fail(base::Code::kInternal, "{}() has no vector evaluator", node.function->name);
}

const std::string& Planner::Text(const Expr& expr) { return As<String>(Unwrap(expr)).value; }

}  // namespace narthex::promql
