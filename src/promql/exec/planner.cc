#include "promql/exec/planner.h"

#include <algorithm>
#include <cmath>

#include "model/number.h"
#include "promql/exec/aggregate.h"
#include "promql/exec/arithmetic.h"
#include "promql/exec/binary.h"
#include "promql/exec/group_key.h"
#include "promql/exec/plan.h"
#include "promql/exec/selector.h"
#include "promql/exec/window.h"
#include "promql/functions/extended.h"
#include "promql/functions/function.h"
#include "promql/parser/printer.h"

namespace narthex::promql {
namespace {

// Applies a function to the values of each row.
class ElementOperator final : public VectorOperator {
 public:
  ElementOperator(VectorOperatorPtr input, ElementFn fn, ScalarArgs args, bool drop_at_once,
                  KeepHistograms keep)
      : input_(std::move(input)),
        fn_(fn),
        args_(std::move(args)),
        drop_at_once_(drop_at_once),
        keep_(keep) {
    one_name = input_->one_name;
  }

  void LeaveNames() override {
    if (!one_name) return;
    drop_at_once_ = false;
    input_->LeaveNames();
  }

  base::Result<bool> Next(Tile& tile) override {
    ASSIGN_OR_RETURN(const bool more, input_->Next(tile));
    for (Row& row : tile) {
      if (keep_ == KeepHistograms::kNo) row.DropHistograms();
      fn_(args_, tile.steps(), row);
      if (drop_at_once_) {
        row.labels = DropName(row.labels);
      } else {
        row.drop_name = true;
      }
    }
    return more;
  }

 private:
  const VectorOperatorPtr input_;
  const ElementFn fn_;
  const ScalarArgs args_;
  bool drop_at_once_;
  const KeepHistograms keep_;
};

// Repeats rows of a single step at every step.
class BroadcastOperator final : public VectorOperator {
 public:
  BroadcastOperator(VectorOperatorPtr input, MemoryAccount& memory)
      : input_(std::move(input)), one_(1, memory) {
    one_name = input_->one_name;
  }

  base::Result<bool> Next(Tile& tile) override {
    tile.Clear();
    while (!tile.full()) {
      if (next_ == one_.size()) {
        next_ = 0;
        ASSIGN_OR_RETURN(const bool more, input_->Next(one_));
        if (!more) break;
      }
      Row& from = one_[next_++];
      if (!from.Has(0)) continue;
      Row& to = tile.Add(std::move(from.labels), from.drop_name);
      for (size_t step = 0; step < tile.steps(); ++step) to.Set(step, from.values[0]);
      if (from.IsHistogram(0)) to.histograms.assign(tile.steps(), from.histograms[0]);
    }
    return !tile.empty();
  }

 private:
  const VectorOperatorPtr input_;
  Tile one_;
  size_t next_ = 0;
};

// Says of the operator being planned how it runs.
void Note(QueryContext& context, std::string_view note) {
  if (context.plan != nullptr) context.plan->notes = note;
}

// Parents before their operands.
template <class Visit>
void ForEachNode(const Expr& expr, Visit&& visit) {
  visit(expr);
  switch (expr.kind) {
    case Expr::Kind::kSubquery:
      return ForEachNode(*As<Subquery>(expr).expr, visit);
    case Expr::Kind::kUnary:
      return ForEachNode(*As<Unary>(expr).expr, visit);
    case Expr::Kind::kParen:
      return ForEachNode(*As<Paren>(expr).expr, visit);
    case Expr::Kind::kBinary:
      ForEachNode(*As<Binary>(expr).left, visit);
      return ForEachNode(*As<Binary>(expr).right, visit);
    case Expr::Kind::kCall:
      for (const ExprPtr& arg : As<Call>(expr).args) ForEachNode(*arg, visit);
      return;
    case Expr::Kind::kAggregate:
      if (As<Aggregate>(expr).parameter) ForEachNode(*As<Aggregate>(expr).parameter, visit);
      return ForEachNode(*As<Aggregate>(expr).expr, visit);
    default:
      return;
  }
}

// Functions whose value depends on the evaluation time whatever `@` says.
bool DependsOnEvaluationTime(const Call& call) {
  static constexpr std::string_view kNames[] = {
      "day_of_month", "day_of_week",    "day_of_year", "days_in_month", "hour", "minute",
      "month",        "predict_linear", "time",        "timestamp",     "year"};
  return std::ranges::find(kNames, call.function->name) != std::end(kNames);
}

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

base::Result<VectorOperatorPtr> Planner::Broadcast(const Expr& expr, const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, VectorNode(expr, grid.FirstStep()));
  return std::make_unique<BroadcastOperator>(std::move(input), context_.budget.memory());
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

base::Result<VectorOperatorPtr> Planner::UnaryNode(const Unary& node, const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, Vector(*node.expr, grid));
  if (!node.negate) return input;
  const auto negate = [](const ScalarArgs&, size_t steps, Row& row) {
    for (size_t step = 0; step < steps; ++step) row.values[step] = -row.values[step];
    for (model::HistogramPtr& histogram : row.histograms) {
      if (histogram == nullptr) continue;
      model::FloatHistogram negated = *histogram;
      negated.Multiply(-1);
      histogram = std::make_shared<const model::FloatHistogram>(std::move(negated));
    }
  };
  return Elementwise(std::move(input), negate, {}, grid, KeepHistograms::kYes);
}

base::Result<VectorOperatorPtr> Planner::Elementwise(VectorOperatorPtr input, ElementFn fn,
                                                     ScalarArgs args, const Grid& grid,
                                                     KeepHistograms keep) {
  const bool one_name = input->one_name;
  const bool drop = !context_.delayed_name_removal;
  auto mapped =
      std::make_unique<ElementOperator>(std::move(input), fn, std::move(args), drop, keep);
  if (!drop || one_name) return mapped;
  ASSIGN_OR_RETURN(Rows rows, ReadAll(*mapped, grid.steps, context_.budget));
  ASSIGN_OR_RETURN(rows, MergeEqualRows(std::move(rows), grid.steps));
  auto merged = MakeRowsOperator(std::move(rows));
  merged->one_name = true;
  return merged;
}

base::Result<VectorOperatorPtr> Planner::CallNode(const Call& node, const Grid& grid) {
  const Evaluator& evaluator = node.function->evaluator;
  if (const auto* fn = std::get_if<WindowFn>(&evaluator)) return WindowNode(node, *fn, grid);
  if (const auto* fn = std::get_if<ElementFn>(&evaluator)) return ElementNode(node, *fn, grid);
  if (const auto* fn = std::get_if<VectorFn>(&evaluator)) return (*fn)(*this, node, grid);
  return base::Fail(base::Code::kUnimplemented, "function {}() is not supported yet",
                    node.function->name);
}

base::Result<VectorOperatorPtr> Planner::ElementNode(const Call& node, ElementFn fn,
                                                     const Grid& grid) {
  ScalarArgs scalars;
  for (size_t i = 1; i < node.args.size(); ++i) {
    ASSIGN_OR_RETURN(scalars.emplace_back(), Scalar(*node.args[i], grid));
  }
  if (!node.args.empty()) {
    ASSIGN_OR_RETURN(auto input, Vector(*node.args[0], grid));
    return Elementwise(std::move(input), fn, std::move(scalars), grid);
  }
  // hour() and its like without argument look at the evaluation time.
  RowBuilder now(grid.steps, context_.budget.memory());
  Row& row = now.Add({}, false);
  for (size_t step = 0; step < grid.steps; ++step) {
    row.Set(step, static_cast<double>(grid.At(step)) / 1000);
  }
  auto input = MakeRowsOperator(now.Take());
  input->one_name = true;
  return Elementwise(std::move(input), fn, {}, grid);
}

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
  if (start > end) return MakeSubquery(context_, MakeRowsOperator({}), {start, 1, 1}, windows);
  const Grid inner_grid{start, interval, static_cast<size_t>((end - start) / interval) + 1};
  RETURN_IF_ERROR(context_.budget.Charge(inner_grid.steps));
  context_.budget.Release(inner_grid.steps);
  ASSIGN_OR_RETURN(auto inner, Vector(*node.expr, inner_grid));
  return MakeSubquery(context_, std::move(inner), inner_grid, windows);
}

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
  for (size_t step = 0; step < values.size(); ++step) {
    values[step] = Apply(node.op, values[step], right[step]);
  }
  return values;
}

const std::string& Planner::Text(const Expr& expr) { return As<String>(Unwrap(expr)).value; }

base::Result<Rows> Planner::ReadVector(const Expr& expr, const Grid& grid) {
  const auto found = shared_.find(TextOf(expr));
  std::vector<Kept>* const shared = found == shared_.end() ? nullptr : &found->second;
  if (shared != nullptr) {
    for (const Kept& kept : *shared) {
      if (kept.grid != grid) continue;
      if (context_.plan != nullptr) {
        PlanNode& node = *context_.plan->inputs.emplace_back(std::make_unique<PlanNode>());
        node.text = OperatorText(Unwrap(expr));
        node.notes = "evaluated already";
        node.series = kept.rows.rows.size();
      }
      return CopyRows(kept.rows, grid.steps, context_.budget.memory());
    }
  }
  const size_t remarks = context_.annotations.size();
  ASSIGN_OR_RETURN(auto input, Vector(expr, grid));
  ASSIGN_OR_RETURN(Rows rows, ReadAll(*input, grid.steps, context_.budget));
  // Remarks name the place that they are about: each place has to make its own.
  if (shared != nullptr && context_.annotations.size() == remarks) {
    shared->push_back({grid, CopyRows(rows, grid.steps, context_.budget.memory())});
  }
  return rows;
}

std::string_view Planner::TextOf(const Expr& expr) const {
  if (shared_.empty()) return {};
  const Position at = Unwrap(expr).position;
  return at.end <= text_.size() && at.begin < at.end ? text_.substr(at.begin, at.end - at.begin)
                                                     : std::string_view();
}

void Planner::FindShared(std::string_view text, const Expr& root) {
  // Looking costs the length of the text at every level.
  constexpr size_t kTextBytesMax = 4096;
  if (!context_.passes.share_subexpressions || text.size() > kTextBytesMax) return;
  text_ = text;
  std::map<std::string_view, size_t> uses;
  bool binary = false;
  ForEachNode(root, [&](const Expr& node) {
    binary |= node.kind == Expr::Kind::kBinary;
    const Position at = node.position;
    if (node.type != ValueType::kVector || at.end > text.size() || at.begin >= at.end) return;
    ++uses[text.substr(at.begin, at.end - at.begin)];
  });
  if (!binary) return;  // Nothing stands beside anything else.
  for (const auto& [written, count] : uses) {
    if (count > 1) shared_.try_emplace(written);
  }
}

void WarnOfQuantiles(QueryContext& context, const std::vector<double>& quantiles, Position at) {
  for (const double q : quantiles) {
    if (q >= 0 && q <= 1) continue;
    context.annotations.Warn(at, "quantile value should be between 0 and 1, got {}",
                             model::FormatFloat(q));
  }
}

}  // namespace narthex::promql
