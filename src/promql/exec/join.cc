#include <algorithm>
#include <map>
#include <unordered_map>

#include "promql/exec/arithmetic.h"
#include "promql/exec/binary.h"
#include "promql/exec/group_key.h"
#include "promql/exec/mixed_arithmetic.h"

namespace narthex::promql {
namespace {

base::Status NotUnique(const VectorMatching& matching, const Row& now, const Row& before) {
  const auto [first, second] = std::minmax(now.labels, before.labels);
  const model::Labels group = MatchGroupOf(matching).Select(now.labels);
  const bool one_is_left = matching.cardinality == Cardinality::kOneToMany;
  const auto print = [](const model::Labels& labels) {
    std::string text = "{";
    for (const model::LabelView label : labels) {
      if (text.size() > 1) text += ", ";
      text += std::string(label.name) + "=";
      model::AppendQuoted(text, label.value);
    }
    return text + "}";
  };
  return base::Fail(base::Code::kFailedPrecondition,
                    "found duplicate series for the match group {} on the {} hand-side of the "
                    "operation: [{}, {}];many-to-many matching not allowed: matching labels must "
                    "be unique on one side",
                    print(group), one_is_left ? "left" : "right", print(first), print(second));
}

// Arithmetic or comparison of two vectors. The "many" side is that with any number of series per
// match group; each of its rows meets at most one row of the "one" side at a step.
class Join {
 public:
  Join(QueryContext& context, const Binary& node, size_t steps)
      : context_(context),
        node_(node),
        matching_(node.matching),
        steps_(steps),
        words_(PresenceWords(steps)),
        many_is_left_(matching_.cardinality != Cardinality::kOneToMany),
        groups_(MatchGroupOf(matching_)),
        watch_(context.budget),
        output_(steps, context.budget.memory()) {}

  base::Result<Rows> Run(Rows left, Rows right) {
    Rows& many = many_is_left_ ? left : right;
    Rows& one = many_is_left_ ? right : left;
    any_many_.assign(words_, 0);
    for (const Row* row : many.rows) {
      for (size_t word = 0; word < words_; ++word) any_many_[word] |= row->present[word];
    }
    for (Row* row : one.rows) RETURN_IF_ERROR(AddOne(*row));
    for (Row* row : many.rows) {
      RETURN_IF_ERROR(context_.budget.Check());
      RETURN_IF_ERROR(AddMany(*row));
    }
    if (FillsMany()) RETURN_IF_ERROR(AddUnmatchedOnes());
    RETURN_IF_ERROR(conflict_);
    return output_.Take();
  }

 private:
  struct Group {
    std::vector<Row*> ones;
    std::vector<uint64_t> many;     // Steps with a row of the many side, where fill needs to know.
    std::vector<uint64_t> matched;  // Steps whose match is taken, one-to-one only.
  };

  // fill_left stands for a missing partner on the many side, as upstream has it: with group_right
  // that is the right one.
  std::optional<double> FillMany() const { return matching_.fill_left; }
  std::optional<double> FillOne() const { return matching_.fill_right; }
  bool FillsMany() const { return FillMany().has_value(); }

  Group& GroupOf(const Row& row) {
    const size_t id = groups_.Of(row.labels);
    if (id >= table_.size()) table_.resize(id + 1);
    return table_[id];
  }

  base::Status AddOne(Row& row) {
    Group& group = GroupOf(row);
    for (const Row* before : group.ones) {
      for (size_t word = 0; word < words_; ++word) {
        // Upstream looks at nothing where the other side is empty at a step.
        const uint64_t looked_at = FillsMany() || FillOne() ? ~uint64_t{0} : any_many_[word];
        if ((before->present[word] & row.present[word] & looked_at) != 0) {
          return NotUnique(matching_, row, *before);
        }
      }
    }
    group.ones.push_back(&row);
    return {};
  }

  base::Status AddMany(Row& row) {
    Group& group = GroupOf(row);
    if (FillsMany()) {
      group.many.resize(words_);
      for (size_t word = 0; word < words_; ++word) group.many[word] |= row.present[word];
    }
    for (const Row* one : group.ones) Pair(&row, one, nullptr);
    if (!FillOne()) return {};
    std::vector<uint64_t> lonely(row.present, row.present + words_);
    for (const Row* one : group.ones) {
      for (size_t word = 0; word < words_; ++word) lonely[word] &= ~one->present[word];
    }
    Pair(&row, nullptr, lonely.data());
    return {};
  }

  base::Status AddUnmatchedOnes() {
    for (Group& group : table_) {
      for (const Row* one : group.ones) {
        std::vector<uint64_t> lonely(one->present, one->present + words_);
        for (size_t word = 0; word < group.many.size(); ++word) lonely[word] &= ~group.many[word];
        Pair(nullptr, one, lonely.data());
      }
    }
    return {};
  }

  // The results of two rows at the steps that both have, or at `mask` where one is filled in.
  void Pair(const Row* many, const Row* one, const uint64_t* mask) {
    std::vector<uint64_t> steps(words_);
    bool any = false;
    for (size_t word = 0; word < words_; ++word) {
      steps[word] = mask != nullptr ? mask[word] : many->present[word] & one->present[word];
      any |= steps[word] != 0;
    }
    if (!any) return;
    const size_t group = groups_.Of((many != nullptr ? many : one)->labels);
    // Counts even where a filter leaves nothing of either match.
    if (matching_.cardinality == Cardinality::kOneToOne && !TakeMatch(group, steps)) return;
    // Made with the first value: a filter may leave nothing. Matches count even then.
    Row* out = CountsMatches() ? &OutputOf(many, one, group) : nullptr;
    const bool mixed = (many != nullptr && many->HasHistograms()) ||
                       (one != nullptr && one->HasHistograms()) || IsTrim(node_.op);
    ForEachPresent(steps.data(), steps_, watch_, [&](size_t step) {
      if (mixed) return PairMixed(many, one, group, step, out);
      const double many_value = many != nullptr ? many->values[step] : *FillMany();
      const double one_value = one != nullptr ? one->values[step] : *FillOne();
      const double left = many_is_left_ ? many_value : one_value;
      const double right = many_is_left_ ? one_value : many_value;
      double result = Apply(node_.op, left, right);
      if (CountsMatches() && !CountMatch(*out, group, step)) return;
      if (IsComparison(node_.op) && !node_.return_bool) {
        if (result == 0) return;
        result = left;
      }
      if (out == nullptr) out = &OutputOf(many, one, group);
      if (out->Has(step)) return Conflict(*out, group);
      out->Set(step, result);
    });
  }

  // Pair for one step where a histogram may be involved.
  void PairMixed(const Row* many, const Row* one, size_t group, size_t step, Row*& out) {
    const Operand many_value =
        many != nullptr ? Operand::Of(*many, step) : Operand{*FillMany(), {}};
    const Operand one_value = one != nullptr ? Operand::Of(*one, step) : Operand{*FillOne(), {}};
    const Operand& left = many_is_left_ ? many_value : one_value;
    const Operand& right = many_is_left_ ? one_value : many_value;
    std::optional<Operand> result;
    if (left.histogram == nullptr && right.histogram == nullptr && !IsTrim(node_.op)) {
      result = Operand{Apply(node_.op, left.number, right.number), nullptr};
    } else {
      result = ApplyMixed(context_.annotations, node_, left, right);
    }
    if (!result) return;
    if (CountsMatches() && !CountMatch(*out, group, step)) return;
    if (IsComparison(node_.op) && !node_.return_bool) {
      if (result->number == 0) return;
      result = left;
    }
    if (out == nullptr) out = &OutputOf(many, one, group);
    if (out->Has(step)) return Conflict(*out, group);
    if (result->histogram != nullptr) {
      out->SetHistogram(step, std::move(result->histogram), steps_);
    } else {
      out->SetNumber(step, result->number);
    }
  }

  // With a many side, matches of a filter are counted per result row.
  bool CountsMatches() const {
    return matching_.cardinality != Cardinality::kOneToOne && IsComparison(node_.op) &&
           !node_.return_bool;
  }

  // False, with a conflict, for the second match of one result at a step.
  bool CountMatch(const Row& row, size_t group, size_t step) {
    if (group_of_[&row] != group) return true;
    std::vector<uint64_t>& matched = matched_[&row];
    matched.resize(words_);
    const uint64_t bit = uint64_t{1} << (step % 64);
    if ((matched[step / 64] & bit) != 0) Conflict(row, group);
    matched[step / 64] |= bit;
    return conflict_.has_value();
  }

  bool TakeMatch(size_t group, const std::vector<uint64_t>& steps) {
    std::vector<uint64_t>& matched = table_[group].matched;
    matched.resize(words_);
    for (size_t word = 0; word < words_; ++word) {
      if ((matched[word] & steps[word]) != 0 && conflict_) {
        conflict_ = base::Fail(base::Code::kFailedPrecondition,
                               "multiple matches for labels: many-to-one matching must be explicit "
                               "(group_left/group_right)");
      }
      matched[word] |= steps[word];
    }
    return conflict_.has_value();
  }

  // Rows with equal labels share one output row.
  Row& OutputOf(const Row* many, const Row* one, size_t group) {
    model::Labels labels = ResultLabels(many, one);
    if (const auto found = by_labels_.find(labels); found != by_labels_.end()) {
      return *found->second;
    }
    Row& row = output_.Add(labels, node_.return_bool && context_.delayed_name_removal);
    by_labels_.emplace(std::move(labels), &row);
    group_of_[&row] = group;
    return row;
  }

  void Conflict(const Row& row, size_t group) {
    if (!conflict_) return;
    if (group_of_[&row] != group) {
      conflict_ = base::Fail(base::Code::kFailedPrecondition,
                             "vector cannot contain metrics with the same labelset");
    } else {
      conflict_ =
          base::Fail(base::Code::kFailedPrecondition,
                     "multiple matches for labels: grouping labels must ensure unique matches");
    }
  }

  model::Labels ResultLabels(const Row* many, const Row* one) {
    const model::Labels empty;
    // A side that is filled in has the labels of the match group.
    const Row& known = many != nullptr ? *many : *one;
    if (many == nullptr || matching_.cardinality == Cardinality::kOneToOne) {
      if (matching_.on || many == nullptr || !matching_.labels.empty()) {
        builder_.Reset(groups_.subset().Select(known.labels));
        if (!matching_.on && !DropsName(node_) && many != nullptr) KeepName(known.labels);
      } else {
        builder_.Reset(known.labels);
      }
    } else {
      builder_.Reset(many->labels);
    }
    const bool drops =
        node_.op <= BinaryOp::kAtan2 || (node_.return_bool && !context_.delayed_name_removal);
    if (drops) {
      for (const std::string_view name : {"__name__", "__type__", "__unit__"}) {
        builder_.Delete(name);
      }
    }
    if (matching_.cardinality != Cardinality::kOneToOne) {
      for (const std::string& name : matching_.include) {
        builder_.Set(name, one != nullptr ? one->labels.Get(name) : std::string_view());
      }
    }
    return builder_.Build();
  }

  void KeepName(const model::Labels& labels) {
    for (const model::LabelView label : labels) {
      if (IsMetadataLabel(label.name)) builder_.Set(label.name, label.value);
    }
  }

  QueryContext& context_;
  const Binary& node_;
  const VectorMatching& matching_;
  const size_t steps_;
  const size_t words_;
  const bool many_is_left_;
  GroupIds groups_;
  Watch watch_;
  std::vector<Group> table_;
  std::vector<uint64_t> any_many_;
  RowBuilder output_;
  std::unordered_map<model::Labels, Row*> by_labels_;
  std::unordered_map<const Row*, size_t> group_of_;
  std::unordered_map<const Row*, std::vector<uint64_t>> matched_;
  base::Status conflict_;
  model::LabelsBuilder builder_;
};

}  // namespace

base::Result<VectorOperatorPtr> MakeJoin(Planner& planner, const Binary& node, const Grid& grid) {
  ASSIGN_OR_RETURN(Rows left, planner.ReadVector(*node.left, grid));
  ASSIGN_OR_RETURN(Rows right, planner.ReadVector(*node.right, grid));
  Join join(planner.context(), node, grid.steps);
  ASSIGN_OR_RETURN(Rows rows, join.Run(std::move(left), std::move(right)));
  auto made = MakeRowsOperator(std::move(rows), planner.context().budget);
  made->one_name = node.op <= BinaryOp::kAtan2;
  return made;
}

}  // namespace narthex::promql
