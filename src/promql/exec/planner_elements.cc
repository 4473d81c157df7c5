// How functions and operators of single values become operators.

#include "promql/exec/group_key.h"
#include "promql/exec/planner.h"
#include "promql/exec/watch.h"

namespace narthex::promql {
namespace {

// Applies a function to the values of each row.
class ElementOperator final : public VectorOperator {
 public:
  ElementOperator(QueryContext& context, VectorOperatorPtr input, ElementFn fn, ScalarArgs args,
                  bool drop_at_once, KeepHistograms keep)
      : watch_(context.budget),
        input_(std::move(input)),
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
      watch_.InStretches(0, tile.steps(),
                         [&](size_t from, size_t to) { fn_(args_, {from, to}, row); });
      if (keep_ == KeepHistograms::kForFunction) row.histograms.clear();
      if (drop_at_once_) {
        row.labels = DropName(row.labels);
      } else {
        row.drop_name = true;
      }
    }
    return more;
  }

 private:
  Watch watch_;
  const VectorOperatorPtr input_;
  const ElementFn fn_;
  const ScalarArgs args_;
  bool drop_at_once_;
  const KeepHistograms keep_;
};

// Repeats rows of a single step at every step.
class BroadcastOperator final : public VectorOperator {
 public:
  BroadcastOperator(VectorOperatorPtr input, Budget& budget)
      : input_(std::move(input)), one_(1, budget.memory()), watch_(budget) {
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
      watch_.InStretches(0, tile.steps(), [&](size_t begin, size_t end) {
        for (size_t step = begin; step < end; ++step) to.Set(step, from.values[0]);
      });
      if (from.IsHistogram(0)) to.histograms.assign(tile.steps(), from.histograms[0]);
    }
    return !tile.empty();
  }

 private:
  const VectorOperatorPtr input_;
  Tile one_;
  Watch watch_;
  size_t next_ = 0;
};

}  // namespace

base::Result<VectorOperatorPtr> Planner::UnaryNode(const Unary& node, const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, Vector(*node.expr, grid));
  if (!node.negate) return input;
  const auto negate = [](const ScalarArgs&, StepRange steps, Row& row) {
    for (size_t step = steps.begin; step < steps.end; ++step) row.values[step] = -row.values[step];
    if (!row.HasHistograms()) return;
    for (size_t step = steps.begin; step < steps.end; ++step) {
      if (!row.IsHistogram(step)) continue;
      model::FloatHistogram negated = *row.histograms[step];
      negated.Multiply(-1);
      row.histograms[step] = std::make_shared<const model::FloatHistogram>(std::move(negated));
    }
  };
  return Elementwise(std::move(input), negate, {}, grid, KeepHistograms::kYes);
}

base::Result<VectorOperatorPtr> Planner::Elementwise(VectorOperatorPtr input, ElementFn fn,
                                                     ScalarArgs args, const Grid& grid,
                                                     KeepHistograms keep) {
  const bool one_name = input->one_name;
  const bool drop = !context_.delayed_name_removal;
  auto mapped = std::make_unique<ElementOperator>(context_, std::move(input), fn, std::move(args),
                                                  drop, keep);
  if (!drop || one_name) return mapped;
  ASSIGN_OR_RETURN(Rows rows, ReadAll(*mapped, grid.steps, context_.budget));
  ASSIGN_OR_RETURN(rows, MergeEqualRows(std::move(rows), grid.steps, context_.budget));
  auto merged = MakeRowsOperator(std::move(rows), context_.budget);
  merged->one_name = true;
  return merged;
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
  Watch watch(context_.budget);
  watch.InStretches(0, grid.steps, [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) {
      row.Set(step, static_cast<double>(grid.At(step)) / 1000);
    }
  });
  auto input = MakeRowsOperator(now.Take(), context_.budget);
  input->one_name = true;
  return Elementwise(std::move(input), fn, {}, grid);
}

base::Result<VectorOperatorPtr> Planner::Broadcast(const Expr& expr, const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, VectorNode(expr, grid.FirstStep()));
  return std::make_unique<BroadcastOperator>(std::move(input), context_.budget);
}

}  // namespace narthex::promql
