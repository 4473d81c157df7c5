#include "promql/exec/binary.h"

#include "promql/exec/arithmetic.h"
#include "promql/exec/group_key.h"
#include "promql/exec/mixed_arithmetic.h"

namespace narthex::promql {
namespace {

// `op` with a fixed operator in the loop: values of all steps, then what comparisons filter.
template <class F>
void ApplyRow(const Binary& node, const std::vector<double>& scalars, bool scalar_left,
              StepRange steps, Row& row, F&& f) {
  for (size_t step = steps.begin; step < steps.end; ++step) {
    const double value = row.values[step];
    const double result = scalar_left ? f(scalars[step], value) : f(value, scalars[step]);
    if (!IsComparison(node.op) || node.return_bool) {
      row.values[step] = result;
    } else if (result == 0) {
      row.Clear(step);
    }
  }
}

class VectorScalarOperator final : public VectorOperator {
 public:
  VectorScalarOperator(QueryContext& context, const Binary& node, VectorOperatorPtr input,
                       std::vector<double> scalars, bool scalar_left)
      : context_(context),
        node_(node),
        input_(std::move(input)),
        scalars_(std::move(scalars)),
        scalar_left_(scalar_left),
        drop_at_once_(DropsName(node) && !context.delayed_name_removal),
        drop_later_(DropsName(node) && context.delayed_name_removal),
        watch_(context.budget) {
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
      watch_.InStretches(0, tile.steps(),
                         [&](size_t from, size_t to) { Apply({from, to}, tile.steps(), row); });
      if (drop_at_once_) row.labels = DropName(row.labels);
      if (drop_later_) row.drop_name = true;
    }
    return more;
  }

 private:
  void Apply(StepRange steps, size_t all_steps, Row& row) const {
    if (row.HasHistograms() || IsTrim(node_.op)) [[unlikely]]
      return ApplyToMixed(steps, all_steps, row);
    const auto apply = [&](auto f) { ApplyRow(node_, scalars_, scalar_left_, steps, row, f); };
    switch (node_.op) {
      case BinaryOp::kAdd:
        return apply([](double a, double b) { return a + b; });
      case BinaryOp::kSubtract:
        return apply([](double a, double b) { return a - b; });
      case BinaryOp::kMultiply:
        return apply([](double a, double b) { return a * b; });
      case BinaryOp::kDivide:
        return apply([](double a, double b) { return a / b; });
      default:
        return apply([this](double a, double b) { return promql::Apply(node_.op, a, b); });
    }
  }

  void ApplyToMixed(StepRange steps, size_t all_steps, Row& row) const {
    const bool filters = IsComparison(node_.op) && !node_.return_bool;
    ForEachPresent(row.present, steps, [&](size_t step) {
      const Operand value = Operand::Of(row, step);
      const Operand scalar{scalars_[step], nullptr};
      const Operand& left = scalar_left_ ? scalar : value;
      const Operand& right = scalar_left_ ? value : scalar;
      std::optional<Operand> result;
      if (value.histogram == nullptr && !IsTrim(node_.op)) {
        result = Operand{promql::Apply(node_.op, left.number, right.number), nullptr};
      } else {
        result = ApplyMixed(context_.annotations, node_, left, right);
      }
      if (!result || (filters && result->number == 0)) return row.Clear(step);
      if (filters) return;
      if (result->histogram != nullptr) {
        row.SetHistogram(step, std::move(result->histogram), all_steps);
      } else {
        row.SetNumber(step, result->number);
      }
    });
  }

  QueryContext& context_;
  const Binary& node_;
  const VectorOperatorPtr input_;
  const std::vector<double> scalars_;
  const bool scalar_left_;
  bool drop_at_once_;
  const bool drop_later_;
  Watch watch_;
};

}  // namespace

base::Result<VectorOperatorPtr> MakeVectorScalar(Planner& planner, const Binary& node,
                                                 const Grid& grid) {
  QueryContext& context = planner.context();
  const bool scalar_left = node.left->type == ValueType::kScalar;
  const Expr& scalar = scalar_left ? *node.left : *node.right;
  const Expr& vector = scalar_left ? *node.right : *node.left;
  ASSIGN_OR_RETURN(std::vector<double> scalars, planner.Scalar(scalar, grid));
  ASSIGN_OR_RETURN(auto input, planner.Vector(vector, grid));
  const bool may_clash = DropsName(node) && !context.delayed_name_removal && !input->one_name;
  auto made = std::make_unique<VectorScalarOperator>(context, node, std::move(input),
                                                     std::move(scalars), scalar_left);
  if (!may_clash) return made;
  ASSIGN_OR_RETURN(Rows rows, ReadAll(*made, grid.steps, context.budget));
  ASSIGN_OR_RETURN(rows, MergeEqualRows(std::move(rows), grid.steps, context.budget));
  auto merged = MakeRowsOperator(std::move(rows), context.budget);
  merged->one_name = true;
  return merged;
}

}  // namespace narthex::promql
