#include "promql/exec/aggregate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/exec/group_key.h"
#include "promql/functions/kernels.h"

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
void AddCompensated(const double* x, size_t steps, double* sum, double* lost) {
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
  Accumulator(AggregateOp op, size_t steps) : op_(op), steps_(steps) {}

  size_t size() const { return groups_.size(); }
  void AddGroup() {
    Columns& group = groups_.emplace_back();
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
    switch (op_) {
      case AggregateOp::kSum:
        AddSum(group, row);
        break;
      case AggregateOp::kAvg:
        ForEachPresent(row.present, steps_,
                       [&](size_t step) { AddAverage(group, step, row.values[step]); });
        break;
      case AggregateOp::kMin:
      case AggregateOp::kMax:
        ForEachPresent(row.present, steps_,
                       [&](size_t step) { AddExtreme(group, step, row.values[step]); });
        break;
      case AggregateOp::kCount:
        ForEachPresent(row.present, steps_, [&](size_t step) { group.count[step] += 1; });
        break;
      case AggregateOp::kStddev:
      case AggregateOp::kStdvar:
        ForEachPresent(row.present, steps_,
                       [&](size_t step) { AddVariance(group, step, row.values[step]); });
        break;
      default:
        break;
    }
    for (size_t word = 0; word < group.present.size(); ++word) {
      group.present[word] |= row.present[word];
    }
  }

  void Finish(size_t index, Row& row) const {
    const Columns& group = groups_[index];
    ForEachPresent(group.present.data(), steps_,
                   [&](size_t step) { row.Set(step, Result(group, step)); });
  }

 private:
  void AddSum(Columns& group, const Row& row) {
    const size_t full_words = steps_ / 64;
    size_t word = 0;
    // Runs of 64 steps without gaps take the fast way.
    for (; word < full_words; ++word) {
      if (row.present[word] != ~uint64_t{0}) break;
    }
    AddCompensated(row.values, word * 64, group.value.data(), group.lost.data());
    for (; word < group.present.size(); ++word) {
      for (uint64_t bits = row.present[word]; bits != 0; bits &= bits - 1) {
        const size_t step = word * 64 + static_cast<size_t>(std::countr_zero(bits));
        AddCompensated(row.values + step, 1, &group.value[step], &group.lost[step]);
      }
    }
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

  const AggregateOp op_;
  const size_t steps_;
  std::vector<Columns> groups_;
};

// Streams its input through the accumulators: memory is groups x steps, however many series.
class AggregateOperator final : public VectorOperator {
 public:
  AggregateOperator(QueryContext& context, const Aggregate& node, VectorOperatorPtr input,
                    size_t steps)
      : context_(context),
        input_(std::move(input)),
        ids_(GroupingOf(node)),
        accumulator_(node.op, steps) {
    one_name = node.without || input_->one_name ||
               std::ranges::find(node.grouping, model::kMetricName) == node.grouping.end();
    if (node.without || std::ranges::none_of(node.grouping, IsMetadataLabel)) input_->LeaveNames();
  }

  base::Result<bool> Next(Tile& tile) override {
    if (!done_) {
      RETURN_IF_ERROR(Consume(tile));
      done_ = true;
    }
    tile.Clear();
    for (; next_ < labels_.size() && !tile.full(); ++next_) {
      accumulator_.Finish(next_, tile.Add(std::move(labels_[next_]), false));
    }
    return !tile.empty();
  }

 private:
  base::Status Consume(Tile& tile) {
    while (true) {
      RETURN_IF_ERROR(context_.budget.Check());
      ASSIGN_OR_RETURN(const bool more, input_->Next(tile));
      if (!more) return {};
      for (const Row& row : tile) {
        if (IsEmpty(row, tile.steps())) continue;
        const size_t group = ids_.Of(row.labels);
        if (group == accumulator_.size()) {
          RETURN_IF_ERROR(context_.budget.Charge(tile.steps()));
          accumulator_.AddGroup();
          labels_.push_back(ids_.subset().Select(row.labels));
        }
        accumulator_.Add(group, row);
      }
    }
  }

  QueryContext& context_;
  const VectorOperatorPtr input_;
  GroupIds ids_;
  Accumulator accumulator_;
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
