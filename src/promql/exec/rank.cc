#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "model/number.h"
#include "promql/exec/aggregate.h"
#include "promql/exec/group_key.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

// What text and labels of a value weigh, in samples.
constexpr size_t kCountedValueWork = 16;

struct Member {
  double value;
  Row* row;
};

// Go's container/heap, step for step: which of several equal members stays depends on it.
class Heap {
 public:
  // `worse(a, b)`: a goes before b.
  explicit Heap(bool (*worse)(double, double)) : worse_(worse) {}

  void Push(Member member) {
    members_.push_back(member);
    for (size_t j = members_.size() - 1; j > 0;) {
      const size_t i = (j - 1) / 2;
      if (!worse_(members_[j].value, members_[i].value)) break;
      std::swap(members_[i], members_[j]);
      j = i;
    }
  }
  void ReplaceTop(Member member) {
    members_[0] = member;
    for (size_t i = 0;;) {
      const size_t left = 2 * i + 1;
      if (left >= members_.size()) break;
      size_t child = left;
      if (left + 1 < members_.size() && worse_(members_[left + 1].value, members_[left].value)) {
        child = left + 1;
      }
      if (!worse_(members_[child].value, members_[i].value)) break;
      std::swap(members_[i], members_[child]);
      i = child;
    }
  }
  const Member& top() const { return members_[0]; }
  size_t size() const { return members_.size(); }
  // Best first.
  std::vector<Member> Sorted() && {
    std::ranges::stable_sort(members_, [this](const Member& a, const Member& b) {
      if (std::isnan(a.value) || std::isnan(b.value)) {
        return !std::isnan(a.value) && std::isnan(b.value);
      }
      return worse_(b.value, a.value);
    });
    return std::move(members_);
  }

 private:
  bool (*const worse_)(double, double);
  std::vector<Member> members_;
};

bool SmallerFirst(double a, double b) { return std::isnan(a) || a < b; }
bool LargerFirst(double a, double b) { return std::isnan(a) || a > b; }

// How many series a parameter asks for. Errors: upstream's, for values that are no count.
base::Result<size_t> CountOf(double parameter, size_t available) {
  if (std::isnan(parameter)) {
    return base::Fail(base::Code::kFailedPrecondition, "Parameter value is NaN");
  }
  if (!(parameter > -0x1p63 && parameter < 0x1p63)) {
    return base::Fail(base::Code::kFailedPrecondition, "Scalar value {} {}flows int64",
                      model::FormatFloat(parameter), parameter < 0 ? "under" : "over");
  }
  const auto count = static_cast<int64_t>(parameter);
  if (count < 1) return 0;
  return std::min(static_cast<size_t>(count), available);
}

class RankAggregate {
 public:
  RankAggregate(QueryContext& context, const Aggregate& node, const Grid& grid, Rows rows)
      : context_(context), node_(node), steps_(grid.steps), rows_(std::move(rows)) {}

  base::Status Group() {
    GroupIds ids(GroupingOf(node_));
    for (Row* row : rows_.rows) {
      const size_t id = ids.Of(row->labels);
      if (id == groups_.size()) {
        groups_.emplace_back();
        labels_.push_back(ids.subset().Select(row->labels));
      }
      groups_[id].push_back(row);
    }
    return {};
  }

  // Order and quantiles are for numbers.
  void DropHistograms() {
    for (Row* row : rows_.rows) {
      if (!row->DropHistograms()) continue;
      context_.annotations.Inform(node_.expr->position, "ignored histogram in {} aggregation",
                                  AggregateOpText(node_.op));
    }
    std::erase_if(rows_.rows, [this](const Row* row) { return IsEmpty(*row, steps_); });
  }

  base::Result<Rows> TopOrBottom(const std::vector<double>& parameter) {
    const bool top = node_.op == AggregateOp::kTopk;
    std::vector<Row*> order;
    std::unordered_map<Row*, std::vector<uint64_t>> kept;
    for (size_t step = 0; step < steps_; ++step) {
      RETURN_IF_ERROR(context_.budget.Check());
      ASSIGN_OR_RETURN(const size_t count, CountOf(parameter[step], rows_.rows.size()));
      if (count == 0) continue;
      for (const std::vector<Row*>& group : groups_) {
        Heap heap(top ? SmallerFirst : LargerFirst);
        for (Row* row : group) {
          if (!row->Has(step)) continue;
          const double value = row->values[step];
          if (heap.size() < count) {
            heap.Push({value, row});
            continue;
          }
          const double worst = heap.top().value;
          const bool better = top ? worst < value : worst > value;
          if (better || (std::isnan(worst) && !std::isnan(value))) heap.ReplaceTop({value, row});
        }
        for (const Member& member : std::move(heap).Sorted()) {
          auto [at, is_new] = kept.try_emplace(member.row, PresenceWords(steps_));
          at->second[step / 64] |= uint64_t{1} << (step % 64);
          if (is_new) order.push_back(member.row);
        }
      }
    }
    return Keep(std::move(order), kept);
  }

  base::Result<Rows> Limit(const std::vector<double>& parameter) {
    const bool ratio = node_.op == AggregateOp::kLimitRatio;
    for (size_t step = 0; step < steps_; ++step) {
      RETURN_IF_ERROR(context_.budget.Check());
      size_t count = 0;
      double limit = parameter[step];
      if (ratio) {
        if (std::isnan(limit)) {
          return base::Fail(base::Code::kFailedPrecondition, "Ratio value is NaN");
        }
        if (std::fabs(limit) > 1) {
          const double capped = limit > 0 ? 1 : -1;
          context_.annotations.Warn(node_.parameter->position,
                                    "ratio value should be between -1 and 1, got {}, capping to {}",
                                    model::FormatFloat(limit), model::FormatFloat(capped));
          limit = capped;
        }
      } else {
        ASSIGN_OR_RETURN(count, CountOf(limit, rows_.rows.size()));
      }
      for (const std::vector<Row*>& group : groups_) {
        size_t taken = 0;
        for (Row* row : group) {
          if (!row->Has(step)) continue;
          const bool keep = ratio ? InSample(row->labels, limit) : taken < count;
          if (keep) {
            ++taken;
          } else {
            row->Clear(step);
          }
        }
      }
    }
    std::erase_if(rows_.rows, [this](const Row* row) { return IsEmpty(*row, steps_); });
    return std::move(rows_);
  }

  base::Result<Rows> Quantiles(const std::vector<double>& parameter) {
    WarnOfQuantiles(context_, parameter, node_.parameter->position);
    RowBuilder output(steps_, context_.budget.memory());
    std::vector<double> values;
    Watch watch(context_.budget);
    for (size_t i = 0; i < groups_.size(); ++i) {
      RETURN_IF_ERROR(context_.budget.Check());
      Row& out = output.Add(std::move(labels_[i]), false);
      for (size_t step = 0; step < steps_; ++step) {
        if (watch.Spend(groups_[i].size())) break;
        values.clear();
        for (const Row* row : groups_[i]) {
          if (row->Has(step)) values.push_back(row->values[step]);
        }
        if (!values.empty()) out.Set(step, Quantile(parameter[step], values));
      }
    }
    return output.Take();
  }

  base::Result<Rows> CountValues(const std::string& label) {
    if (label.empty() || !model::IsValidUtf8(label)) {
      std::string quoted;
      model::AppendQuoted(quoted, label);
      return base::Fail(base::Code::kFailedPrecondition, "invalid label name {}", quoted);
    }
    RowBuilder output(steps_, context_.budget.memory());
    std::unordered_map<model::Labels, Row*> by_labels;
    Watch watch(context_.budget);
    for (size_t i = 0; i < groups_.size(); ++i) {
      RETURN_IF_ERROR(context_.budget.Check());
      model::LabelsBuilder builder(labels_[i]);
      for (const Row* row : groups_[i]) {
        ForEachPresent(row->present, steps_, [&](size_t step) {
          if (watch.Spend(kCountedValueWork)) return;
          builder.Set(label, row->IsHistogram(step) ? row->histograms[step]->ToString()
                                                    : FixedText(row->values[step]));
          model::Labels labels = builder.Build();
          Row*& out = by_labels[labels];
          if (out == nullptr) out = &output.Add(std::move(labels), false);
          out->Set(step, out->values[step] + 1);
        });
      }
    }
    return output.Take();
  }

 private:
  Rows Keep(std::vector<Row*> order, const std::unordered_map<Row*, std::vector<uint64_t>>& kept) {
    for (Row* row : order) std::ranges::copy(kept.at(row), row->present);
    rows_.rows = std::move(order);
    return std::move(rows_);
  }

  // Chooses by a hash of the labels, so that the same series are chosen every time. The hash is
  // upstream's: its scripts and users compare choices.
  static bool InSample(const model::Labels& labels, double ratio) {
    std::string bytes;
    for (const model::LabelView label : labels) {
      bytes.append(label.name).append(1, '\xff').append(label.value).append(1, '\xff');
    }
    const double offset = static_cast<double>(XXH64(bytes.data(), bytes.size(), 0)) / 0x1p64;
    return ratio >= 0 ? offset < ratio : offset >= 1.0 + ratio;
  }

  static std::string FixedText(double value) {
    std::string text;
    model::AppendFixedFloat(text, value);
    return text;
  }

  QueryContext& context_;
  const Aggregate& node_;
  const size_t steps_;
  Rows rows_;
  std::vector<std::vector<Row*>> groups_;
  std::vector<model::Labels> labels_;
};

}  // namespace

base::Result<VectorOperatorPtr> MakeRankAggregate(Planner& planner, const Aggregate& node,
                                                  const Grid& grid) {
  std::vector<double> parameter;
  if (node.op != AggregateOp::kCountValues) {
    ASSIGN_OR_RETURN(parameter, planner.Scalar(*node.parameter, grid));
  }
  ASSIGN_OR_RETURN(Rows rows, planner.ReadVector(*node.expr, grid));
  RankAggregate aggregate(planner.context(), node, grid, std::move(rows));
  if (node.op == AggregateOp::kTopk || node.op == AggregateOp::kBottomk ||
      node.op == AggregateOp::kQuantile) {
    aggregate.DropHistograms();
  }
  RETURN_IF_ERROR(aggregate.Group());
  Rows result;
  switch (node.op) {
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk: {
      ASSIGN_OR_RETURN(result, aggregate.TopOrBottom(parameter));
      break;
    }
    case AggregateOp::kLimitk:
    case AggregateOp::kLimitRatio: {
      ASSIGN_OR_RETURN(result, aggregate.Limit(parameter));
      break;
    }
    case AggregateOp::kQuantile: {
      ASSIGN_OR_RETURN(result, aggregate.Quantiles(parameter));
      break;
    }
    default: {
      ASSIGN_OR_RETURN(result, aggregate.CountValues(Planner::Text(*node.parameter)));
    }
  }
  return MakeRowsOperator(std::move(result), planner.context().budget);
}

}  // namespace narthex::promql
