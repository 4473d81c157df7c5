#include "promql/exec/prepare.h"

#include <algorithm>
#include <cmath>

#include "promql/functions/function.h"

namespace narthex::promql {
namespace {

double Evaluate(const DurationExpr& expr, const QueryTimes& times) {
  using Op = DurationExpr::Op;
  const auto left = [&] { return Evaluate(*expr.left, times); };
  const auto right = [&] { return Evaluate(*expr.right, times); };
  switch (expr.op) {
    case Op::kLiteral:
      return expr.seconds;
    case Op::kStep:
      return static_cast<double>(times.step_ms) / 1000;
    case Op::kRange:
      return static_cast<double>(times.end - times.start) / 1000;
    case Op::kAdd:
      return left() + right();
    case Op::kSubtract:
      return left() - right();
    case Op::kMultiply:
      return left() * right();
    case Op::kDivide:
      return left() / right();
    case Op::kModulo:
      return std::fmod(left(), right());
    case Op::kPower:
      return std::pow(left(), right());
    case Op::kNegate:
      return -left();
    case Op::kPlus:
      return left();
    case Op::kMinOf:
      return std::min(left(), right());
    case Op::kMaxOf:
      return std::max(left(), right());
  }
  return 0;
}

base::Status Resolve(Duration& duration, const QueryTimes& times, bool positive) {
  if (duration.expr == nullptr) return {};
  const double seconds = Evaluate(*duration.expr, times);
  if (!(std::fabs(seconds) < 9.2e9)) {
    return base::Fail(base::Code::kInvalidArgument, "duration out of range");
  }
  duration.ms = static_cast<int64_t>(std::round(seconds * 1000));
  if (positive && duration.ms <= 0) {
    return base::Fail(base::Code::kInvalidArgument, "duration must be greater than 0");
  }
  return {};
}

base::Status ResolveModifiers(std::optional<Duration>& offset, AtModifier& at,
                              const QueryTimes& times) {
  if (at.kind == AtModifier::Kind::kStart) at.time = times.start;
  if (at.kind == AtModifier::Kind::kEnd) at.time = times.end;
  return offset ? Resolve(*offset, times, false) : base::Status{};
}

base::Status ResolveNode(Expr& expr, const QueryTimes& times) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return {};
    case Expr::Kind::kVectorSelector: {
      auto& node = As<VectorSelector>(expr);
      return ResolveModifiers(node.offset, node.at, times);
    }
    case Expr::Kind::kMatrixSelector: {
      auto& node = As<MatrixSelector>(expr);
      RETURN_IF_ERROR(Resolve(node.range, times, true));
      return ResolveModifiers(node.vector->offset, node.vector->at, times);
    }
    case Expr::Kind::kSubquery: {
      auto& node = As<Subquery>(expr);
      RETURN_IF_ERROR(Resolve(node.range, times, true));
      if (node.step) RETURN_IF_ERROR(Resolve(*node.step, times, true));
      RETURN_IF_ERROR(ResolveModifiers(node.offset, node.at, times));
      return ResolveNode(*node.expr, times);
    }
    case Expr::Kind::kUnary:
      return ResolveNode(*As<Unary>(expr).expr, times);
    case Expr::Kind::kParen:
      return ResolveNode(*As<Paren>(expr).expr, times);
    case Expr::Kind::kBinary:
      RETURN_IF_ERROR(ResolveNode(*As<Binary>(expr).left, times));
      return ResolveNode(*As<Binary>(expr).right, times);
    case Expr::Kind::kCall:
      for (const ExprPtr& arg : As<Call>(expr).args) RETURN_IF_ERROR(ResolveNode(*arg, times));
      return {};
    case Expr::Kind::kAggregate: {
      auto& node = As<Aggregate>(expr);
      if (node.parameter) RETURN_IF_ERROR(ResolveNode(*node.parameter, times));
      return ResolveNode(*node.expr, times);
    }
  }
  return {};
}

void MarkNode(Expr& expr, bool detect) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return;
    case Expr::Kind::kVectorSelector:
      As<VectorSelector>(expr).detect_resets = detect;
      return;
    case Expr::Kind::kMatrixSelector:
      As<MatrixSelector>(expr).vector->detect_resets = detect;
      return;
    case Expr::Kind::kSubquery:
      return MarkNode(*As<Subquery>(expr).expr, false);
    case Expr::Kind::kUnary:
      return MarkNode(*As<Unary>(expr).expr, detect);
    case Expr::Kind::kParen:
      return MarkNode(*As<Paren>(expr).expr, detect);
    case Expr::Kind::kBinary:
      MarkNode(*As<Binary>(expr).left, detect);
      return MarkNode(*As<Binary>(expr).right, detect);
    case Expr::Kind::kCall: {
      const std::string_view name = As<Call>(expr).function->name;
      if (name == "histogram_count" || name == "histogram_sum" || name == "histogram_avg") {
        detect = true;
      } else if (name.starts_with("histogram_")) {
        detect = false;
      }
      for (const ExprPtr& arg : As<Call>(expr).args) MarkNode(*arg, detect);
      return;
    }
    case Expr::Kind::kAggregate: {
      auto& node = As<Aggregate>(expr);
      if (node.parameter) MarkNode(*node.parameter, detect);
      return MarkNode(*node.expr, detect);
    }
  }
}

// Evaluation times of a node as an interval, moved by its offset and `@`.
model::TimeRange Moved(model::TimeRange evaluated, const std::optional<Duration>& offset,
                       const AtModifier& at, int64_t range_ms) {
  if (at) evaluated = {at.time, at.time};
  const int64_t offset_ms = offset ? offset->ms : 0;
  return {evaluated.min - offset_ms - range_ms, evaluated.max - offset_ms};
}

void Touch(const Expr& expr, model::TimeRange evaluated, int64_t lookback_ms,
           model::TimeRange& touched) {
  const auto add = [&](model::TimeRange range) {
    touched.min = std::min(touched.min, range.min);
    touched.max = std::max(touched.max, range.max);
  };
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return;
    case Expr::Kind::kVectorSelector: {
      const auto& node = As<VectorSelector>(expr);
      model::TimeRange range = Moved(evaluated, node.offset, node.at, lookback_ms);
      if (node.smoothed) range.max += lookback_ms;
      return add(range);
    }
    case Expr::Kind::kMatrixSelector: {
      const auto& node = As<MatrixSelector>(expr);
      model::TimeRange range =
          Moved(evaluated, node.vector->offset, node.vector->at, node.range.ms);
      if (node.vector->anchored || node.vector->smoothed) range.min -= lookback_ms;
      if (node.vector->smoothed) range.max += lookback_ms;
      return add(range);
    }
    case Expr::Kind::kSubquery: {
      const auto& node = As<Subquery>(expr);
      return Touch(*node.expr, Moved(evaluated, node.offset, node.at, node.range.ms), lookback_ms,
                   touched);
    }
    case Expr::Kind::kUnary:
      return Touch(*As<Unary>(expr).expr, evaluated, lookback_ms, touched);
    case Expr::Kind::kParen:
      return Touch(*As<Paren>(expr).expr, evaluated, lookback_ms, touched);
    case Expr::Kind::kBinary:
      Touch(*As<Binary>(expr).left, evaluated, lookback_ms, touched);
      return Touch(*As<Binary>(expr).right, evaluated, lookback_ms, touched);
    case Expr::Kind::kCall:
      for (const ExprPtr& arg : As<Call>(expr).args) Touch(*arg, evaluated, lookback_ms, touched);
      // The info series have a look-back of their own at the times of the samples.
      if (As<Call>(expr).function->name == "info") touched.min -= lookback_ms;
      return;
    case Expr::Kind::kAggregate: {
      const auto& node = As<Aggregate>(expr);
      if (node.parameter) Touch(*node.parameter, evaluated, lookback_ms, touched);
      return Touch(*node.expr, evaluated, lookback_ms, touched);
    }
  }
}

}  // namespace

base::Status ResolveTimes(Expr& expr, const QueryTimes& times) { return ResolveNode(expr, times); }

void MarkResetDetection(Expr& expr) { MarkNode(expr, false); }

model::TimeRange TouchedTimes(const Expr& expr, const Grid& grid, int64_t lookback_ms) {
  model::TimeRange touched{model::kTimestampMax, model::kTimestampMin};
  Touch(expr, {grid.start, grid.Last()}, lookback_ms, touched);
  if (touched.min > touched.max) return {grid.start, grid.start};  // No selector at all.
  return touched;
}

}  // namespace narthex::promql
