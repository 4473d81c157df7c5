#include "promql/exec/aggregate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/exec/group_key.h"
#include "promql/functions/histogram_window.h"
#include "promql/functions/kernels.h"
#include "promql/functions/wide.h"

namespace narthex::promql {
namespace {

// The running results of one group, a column per quantity with an entry per step. Which columns
// there are depends on the operator.
struct Columns {
  std::vector<double> value;
  std::vector<double> lost;   // Compensation of `value`.
  std::vector<double> count;  // Members so far.
  std::vector<double> mean;
  std::vector<uint64_t> present;
};

bool UsesCount(AggregateOp op) {
  return op == AggregateOp::kAvg || op == AggregateOp::kCount || op == AggregateOp::kStddev ||
         op == AggregateOp::kStdvar;
}

// One addition of CompensatedSum over columns: lanes are steps, so that each step adds its members
// in series order whatever the vector width.
NARTHEX_WIDE void AddCompensated(const double* x, size_t steps, double* sum, double* lost) {
  for (size_t step = 0; step < steps; ++step) {
    const double total = sum[step] + x[step];
    const bool sum_is_larger = std::fabs(sum[step]) >= std::fabs(x[step]);
    const double large = sum_is_larger ? sum[step] : x[step];
    const double small = sum_is_larger ? x[step] : sum[step];
    const double next = lost[step] + ((large - total) + small);
    lost[step] = std::fabs(total) == std::numeric_limits<double>::infinity() ? 0 : next;
    sum[step] = total;
  }
}

// Takes rows one by one; sum, avg, min, max, count, group, stddev and stdvar.
class Accumulator {
 public:
  Accumulator(AggregateOp op, size_t steps, Budget& budget)
      : op_(op), steps_(steps), held_(budget.memory()), watch_(budget) {}

  size_t size() const { return groups_.size(); }
  void AddGroup() {
    Columns& group = groups_.emplace_back();
    held_.Add(steps_ * sizeof(double) * ColumnsOf(op_));
    group.present.resize(PresenceWords(steps_));
    if (op_ == AggregateOp::kCount || op_ == AggregateOp::kGroup) {
      if (op_ == AggregateOp::kCount) group.count.resize(steps_);
      return;
    }
    // Minus zero is the neutral element: it keeps the sign of a sum of minus zeros.
    group.value.resize(steps_, op_ == AggregateOp::kSum ? -0.0 : 0.0);
    if (op_ == AggregateOp::kSum || op_ == AggregateOp::kAvg) group.lost.resize(steps_);
    if (UsesCount(op_)) group.count.resize(steps_);
    if (op_ == AggregateOp::kStddev || op_ == AggregateOp::kStdvar) group.mean.resize(steps_);
    if (op_ == AggregateOp::kAvg) group.mean.resize(steps_);
  }

  void Add(size_t index, const Row& row) {
    Columns& group = groups_[index];
    watch_.InStretches(0, steps_,
                       [&](size_t from, size_t to) { AddSteps(group, row, StepRange{from, to}); });
    for (size_t word = 0; word < group.present.size(); ++word) {
      group.present[word] |= row.present[word];
    }
  }

  void Finish(size_t index, Row& row) {
    const Columns& group = groups_[index];
    ForEachPresent(group.present.data(), steps_, watch_,
                   [&](size_t step) { row.Set(step, Result(group, step)); });
  }

 private:
  void AddSteps(Columns& group, const Row& row, StepRange steps) const {
    switch (op_) {
      case AggregateOp::kSum:
        return AddSum(group, row, steps);
      case AggregateOp::kAvg:
        return ForEachPresent(row.present, steps,
                              [&](size_t step) { AddAverage(group, step, row.values[step]); });
      case AggregateOp::kMin:
      case AggregateOp::kMax:
        return ForEachPresent(row.present, steps,
                              [&](size_t step) { AddExtreme(group, step, row.values[step]); });
      case AggregateOp::kCount:
        return ForEachPresent(row.present, steps, [&](size_t step) { group.count[step] += 1; });
      case AggregateOp::kStddev:
      case AggregateOp::kStdvar:
        return ForEachPresent(row.present, steps,
                              [&](size_t step) { AddVariance(group, step, row.values[step]); });
      default:
        return;
    }
  }

  static void AddSum(Columns& group, const Row& row, StepRange steps) {
    size_t word = steps.begin / 64;
    // Runs of 64 steps without gaps take the fast way.
    for (; (word + 1) * 64 <= steps.end; ++word) {
      if (row.present[word] != ~uint64_t{0}) break;
    }
    AddCompensated(row.values + steps.begin, word * 64 - steps.begin,
                   group.value.data() + steps.begin, group.lost.data() + steps.begin);
    ForEachPresent(row.present, StepRange{word * 64, steps.end}, [&](size_t step) {
      AddCompensated(row.values + step, 1, &group.value[step], &group.lost[step]);
    });
  }

  // CompensatedMean over columns; `mean` tells whether a step went over to the running mean.
  static void AddAverage(Columns& group, size_t step, double x) {
    CompensatedMean mean{
        {group.value[step], group.lost[step]}, group.count[step], group.mean[step] != 0};
    mean.Add(x);
    group.value[step] = mean.sum.sum;
    group.lost[step] = mean.sum.lost;
    group.count[step] = mean.count;
    group.mean[step] = mean.incremental ? 1 : 0;
  }

  void AddExtreme(Columns& group, size_t step, double x) const {
    const bool first = ((group.present[step / 64] >> (step % 64)) & 1) == 0;
    double& value = group.value[step];
    const bool better = op_ == AggregateOp::kMin ? x < value : x > value;
    if (first || better || std::isnan(value)) value = x;
  }

  // Welford's update, as upstream does it.
  static void AddVariance(Columns& group, size_t step, double x) {
    double& count = group.count[step];
    double& mean = group.mean[step];
    double& value = group.value[step];
    if (count == 0) {
      count = 1;
      mean = x;
      value = std::isfinite(x) ? 0 : std::numeric_limits<double>::quiet_NaN();
      return;
    }
    ++count;
    const double delta = x - mean;
    mean += delta / count;
    value += delta * (x - mean);
  }

  double Result(const Columns& group, size_t step) const {
    switch (op_) {
      case AggregateOp::kSum:
        return CompensatedSum{group.value[step], group.lost[step]}.Total();
      case AggregateOp::kAvg:
        return CompensatedMean{
            {group.value[step], group.lost[step]}, group.count[step], group.mean[step] != 0}
            .Mean();
      case AggregateOp::kCount:
        return group.count[step];
      case AggregateOp::kGroup:
        return 1;
      case AggregateOp::kStddev:
        return std::sqrt(group.value[step] / group.count[step]);
      case AggregateOp::kStdvar:
        return group.value[step] / group.count[step];
      default:
        return group.value[step];
    }
  }

  static size_t ColumnsOf(AggregateOp op) {
    switch (op) {
      case AggregateOp::kGroup:
        return 0;
      case AggregateOp::kSum:
        return 2;
      case AggregateOp::kAvg:
        return 4;
      case AggregateOp::kStddev:
      case AggregateOp::kStdvar:
        return 3;
      default:
        return 1;
    }
  }

  const AggregateOp op_;
  const size_t steps_;
  HeldBytes held_;
  Watch watch_;
  std::vector<Columns> groups_;
};

// The native histograms of one group for sum and avg, a compensated sum or mean per step. A step
// that mixed what does not go together has no result.
class HistogramGroup {
 public:
  HistogramGroup(AggregateOp op, size_t steps)
      : means_(op == AggregateOp::kAvg ? steps : 0),
        sums_(op == AggregateOp::kSum ? steps : 0),
        seen_(steps) {}

  void Add(QueryContext& context, Position at, const Row& row, size_t step) {
    const model::FloatHistogram& h = *row.histograms[step];
    const bool fits = means_.empty() ? Fits(sums_[step], h) : Fits(means_[step], h);
    if (!fits) {
      WarnOfMixedSchemas(context.annotations, at, row.labels.Get(model::kMetricName));
      seen_[step] |= kBroken;
      return;
    }
    model::CombineRemarks remarks = means_.empty() ? sums_[step].Add(h) : means_[step].Add(h);
    if (h.hint == model::ResetHint::kReset) seen_[step] |= kReset;
    if (h.hint == model::ResetHint::kNotReset) seen_[step] |= kNotReset;
    remarks.reset_conflict = (seen_[step] & (kReset | kNotReset)) == (kReset | kNotReset);
    RemarkOnCombination(context.annotations, at, remarks, "aggregation");
    seen_[step] |= kAny;
  }

  bool Has(size_t step) const { return (seen_[step] & kAny) != 0; }
  // Null where the step is broken.
  model::HistogramPtr Result(size_t step) const {
    if ((seen_[step] & kBroken) != 0) return nullptr;
    return std::make_shared<const model::FloatHistogram>(means_.empty() ? sums_[step].Total()
                                                                        : means_[step].Mean());
  }

 private:
  static constexpr uint8_t kAny = 1;
  static constexpr uint8_t kReset = 2;
  static constexpr uint8_t kNotReset = 4;
  static constexpr uint8_t kBroken = 8;

  template <class Sum>
  static bool Fits(const Sum& sum, const model::FloatHistogram& h) {
    return sum.empty() || sum.custom() == h.custom();
  }

  std::vector<model::HistogramMean> means_;
  std::vector<model::HistogramSum> sums_;
  std::vector<uint8_t> seen_;
};

// Streams its input through the accumulators: memory is groups x steps, however many series.
class AggregateOperator final : public VectorOperator {
 public:
  AggregateOperator(QueryContext& context, const Aggregate& node, VectorOperatorPtr input,
                    size_t steps)
      : context_(context),
        node_(node),
        steps_(steps),
        input_(std::move(input)),
        ids_(GroupingOf(node)),
        accumulator_(node.op, steps, context.budget) {
    one_name = node.without || input_->one_name ||
               std::ranges::find(node.grouping, model::kMetricName) == node.grouping.end();
    if (context.passes.leave_names &&
        (node.without || std::ranges::none_of(node.grouping, IsMetadataLabel))) {
      input_->LeaveNames();
    }
  }

  base::Result<bool> Next(Tile& tile) override {
    if (!done_) {
      RETURN_IF_ERROR(Consume(tile));
      done_ = true;
    }
    tile.Clear();
    for (; next_ < labels_.size() && !tile.full(); ++next_) {
      Row& row = tile.Add(std::move(labels_[next_]), false);
      accumulator_.Finish(next_, row);
      if (next_ < histograms_.size() && histograms_[next_]) FinishHistograms(row);
    }
    return !tile.empty();
  }

 private:
  base::Status Consume(Tile& tile) {
    while (true) {
      RETURN_IF_ERROR(context_.budget.Check());
      ASSIGN_OR_RETURN(const bool more, input_->Next(tile));
      if (!more) return {};
      for (Row& row : tile) {
        if (row.HasHistograms() && NumbersOnly() && row.DropHistograms()) {
          context_.annotations.Inform(node_.expr->position, "ignored histogram in {} aggregation",
                                      AggregateOpText(node_.op));
        }
        if (IsEmpty(row, tile.steps())) continue;
        const size_t group = ids_.Of(row.labels);
        if (group == accumulator_.size()) {
          RETURN_IF_ERROR(context_.budget.Charge(tile.steps()));
          accumulator_.AddGroup();
          labels_.push_back(ids_.subset().Select(row.labels));
        }
        if (row.HasHistograms()) TakeHistograms(group, row, tile.steps());
        accumulator_.Add(group, row);
      }
    }
  }

  bool NumbersOnly() const {
    return node_.op == AggregateOp::kMin || node_.op == AggregateOp::kMax ||
           node_.op == AggregateOp::kStddev || node_.op == AggregateOp::kStdvar;
  }

  // Leaves the numbers of a row; count and group do not care.
  void TakeHistograms(size_t group, Row& row, size_t steps) {
    if (node_.op != AggregateOp::kSum && node_.op != AggregateOp::kAvg) return;
    if (histograms_.size() <= group) histograms_.resize(group + 1);
    if (!histograms_[group]) histograms_[group] = std::make_unique<HistogramGroup>(node_.op, steps);
    ForEachPresent(row.present, steps, [&](size_t step) {
      if (!row.IsHistogram(step)) return;
      histograms_[group]->Add(context_, node_.expr->position, row, step);
    });
    row.DropHistograms();
  }

  // The row has the numbers already.
  void FinishHistograms(Row& row) {
    const HistogramGroup& group = *histograms_[next_];
    for (size_t step = 0; step < steps_; ++step) {
      if (!group.Has(step)) continue;
      if (row.Has(step)) {
        context_.annotations.Warn(node_.expr->position,
                                  "encountered a mix of histograms and floats for aggregation");
        row.Clear(step);
      } else if (model::HistogramPtr result = group.Result(step)) {
        row.SetHistogram(step, std::move(result), steps_);
      }
    }
    histograms_[next_].reset();
  }

  QueryContext& context_;
  const Aggregate& node_;
  const size_t steps_;
  const VectorOperatorPtr input_;
  GroupIds ids_;
  Accumulator accumulator_;
  std::vector<std::unique_ptr<HistogramGroup>> histograms_;  // Null for groups of numbers.
  std::vector<model::Labels> labels_;
  bool done_ = false;
  size_t next_ = 0;
};

}  // namespace

base::Result<VectorOperatorPtr> MakeAggregate(Planner& planner, const Aggregate& node,
                                              const Grid& grid) {
  if (AggregateParameter(node.op) != ValueType::kNone) {
    return MakeRankAggregate(planner, node, grid);
  }
  ASSIGN_OR_RETURN(auto input, planner.Vector(*node.expr, grid));
  return std::make_unique<AggregateOperator>(planner.context(), node, std::move(input), grid.steps);
}

}  // namespace narthex::promql
