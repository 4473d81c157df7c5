#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "promql/exec/group_key.h"
#include "promql/exec/planner.h"
#include "promql/exec/selector.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

using model::Matcher;

bool IsNegative(const Matcher& matcher) {
  return matcher.type() == Matcher::Type::kNotEqual || matcher.type() == Matcher::Type::kNotRegex;
}

// What the second argument of info() says.
struct InfoSelector {
  std::vector<Matcher> names;  // Of the info metrics; there is always a positive one.
  std::vector<Matcher> data;
  std::set<std::string> wanted;  // Labels to add; all when empty.
  bool required = false;         // A series without match goes.
};

base::Result<InfoSelector> ReadSelector(const Call& call) {
  InfoSelector selector;
  if (call.args.size() > 1) {
    for (const Matcher& matcher : As<VectorSelector>(Unwrap(*call.args[1])).matchers) {
      if (matcher.name() == model::kMetricName) {
        selector.names.push_back(matcher);
      } else {
        selector.data.push_back(matcher);
        selector.wanted.insert(matcher.name());
        selector.required |= !matcher.MatchesEmpty();
      }
    }
  }
  if (selector.names.empty()) {
    selector.names.push_back(Matcher::Equal(std::string(model::kMetricName), "target_info"));
  } else if (std::ranges::all_of(selector.names, IsNegative)) {
    ASSIGN_OR_RETURN(Matcher any_info, Matcher::From(Matcher::Type::kRegex,
                                                     std::string(model::kMetricName), ".+_info"));
    selector.names.push_back(std::move(any_info));
  }
  return selector;
}

// The times of the info series are those of the samples that they describe: moves along the path
// to the first selector. False where there is none.
bool FollowModifiers(const Expr& expr, VectorSelector& moved) {
  const auto follow = [&](const std::optional<Duration>& offset, const AtModifier& at) {
    if (at) {
      moved.at = at;
      moved.offset.reset();
    }
    if (!offset) return;
    if (!moved.offset) moved.offset.emplace();
    moved.offset->ms += offset->ms;
  };
  const Expr& node = Unwrap(expr);
  switch (node.kind) {
    case Expr::Kind::kVectorSelector:
      follow(As<VectorSelector>(node).offset, As<VectorSelector>(node).at);
      return true;
    case Expr::Kind::kMatrixSelector:
      follow(As<MatrixSelector>(node).vector->offset, As<MatrixSelector>(node).vector->at);
      return true;
    case Expr::Kind::kSubquery:
      follow(As<Subquery>(node).offset, As<Subquery>(node).at);
      return FollowModifiers(*As<Subquery>(node).expr, moved);
    case Expr::Kind::kUnary:
      return FollowModifiers(*As<Unary>(node).expr, moved);
    case Expr::Kind::kAggregate:
      return FollowModifiers(*As<Aggregate>(node).expr, moved);
    case Expr::Kind::kBinary:
      return FollowModifiers(*As<Binary>(node).left, moved) ||
             FollowModifiers(*As<Binary>(node).right, moved);
    case Expr::Kind::kCall:
      return std::ranges::any_of(As<Call>(node).args,
                                 [&](const ExprPtr& arg) { return FollowModifiers(*arg, moved); });
    default:
      return false;
  }
}

// Adds the labels of info series to the rows that they describe: those with the same instance and
// job. Of several series of one info metric, that with the newest sample counts.
class Enrichment {
 public:
  Enrichment(const InfoSelector& selector, size_t steps, const Rows& info_times, Budget& budget)
      : selector_(selector),
        steps_(steps),
        groups_(LabelSubset({std::string(model::kInstanceLabel), std::string(model::kJobLabel)},
                            LabelSubset::Keep::kOnly)),
        output_(steps, budget.memory()),
        watch_(budget) {
    for (const Row* row : info_times.rows) {
      const size_t group = groups_.Of(row->labels);
      if (group >= infos_.size()) infos_.resize(group + 1);
      infos_[group][std::string(row->labels.Get(model::kMetricName))].push_back(row);
    }
  }

  base::Status Add(const Row& row) {
    if (model::AllMatch(selector_.names, row.labels)) return Copy(row);
    static const InfosByName kNone;
    const size_t group = groups_.Find(row.labels);
    const bool identified =
        row.labels.Has(model::kInstanceLabel) || row.labels.Has(model::kJobLabel);
    const InfosByName& infos = identified && group < infos_.size() ? infos_[group] : kNone;
    std::map<std::vector<const Row*>, Row*> outputs;
    std::vector<const Row*> chosen;
    base::Status status;
    ForEachPresent(row.present, steps_, watch_, [&](size_t step) {
      if (!status) return;
      chosen.clear();
      for (const auto& [name, candidates] : infos) {
        if (const Row* newest = Newest(candidates, step)) chosen.push_back(newest);
      }
      if (chosen.empty() && selector_.required) return;
      Row*& out = outputs[chosen];
      if (out == nullptr) {
        auto labels = Enriched(row.labels, chosen);
        if (!labels) {
          status = std::unexpected(std::move(labels).error());
          return;
        }
        out = &output_.Add(*std::move(labels), row.drop_name);
      }
      out->SetFrom(row, step, steps_);
    });
    return status;
  }

  Rows Take() { return output_.Take(); }

 private:
  using InfosByName = std::map<std::string, std::vector<const Row*>>;

  base::Status Copy(const Row& row) {
    Row& out = output_.Add(row.labels, row.drop_name);
    ForEachPresent(row.present, steps_, watch_,
                   [&](size_t step) { out.SetFrom(row, step, steps_); });
    return {};
  }

  static const Row* Newest(const std::vector<const Row*>& candidates, size_t step) {
    const Row* newest = nullptr;
    for (const Row* row : candidates) {
      if (!row->Has(step)) continue;
      if (newest == nullptr || row->values[step] > newest->values[step]) newest = row;
    }
    return newest;
  }

  base::Result<model::Labels> Enriched(const model::Labels& base,
                                       const std::vector<const Row*>& chosen) const {
    model::LabelsBuilder builder(base);
    for (const Row* info : chosen) {
      for (const model::LabelView label : info->labels) {
        const bool wanted =
            selector_.wanted.empty() || selector_.wanted.contains(std::string(label.name));
        if (!wanted || label.name == model::kMetricName || base.Has(label.name)) continue;
        const std::string_view before = builder.Get(label.name);
        if (!before.empty() && before != label.value) {
          return base::Fail(base::Code::kFailedPrecondition,
                            "conflicting label: {}, in info metrics of {}", label.name,
                            base.ToString());
        }
        builder.Set(label.name, label.value);
      }
    }
    return builder.Build();
  }

  const InfoSelector& selector_;
  const size_t steps_;
  GroupIds groups_;
  std::vector<InfosByName> infos_;
  RowBuilder output_;
  Watch watch_;
};

// Info metrics are numbers. Error: kFailedPrecondition where a native histogram would count.
base::Status CheckInfos(QueryContext& context, const VectorSelector& infos, const Grid& grid) {
  ASSIGN_OR_RETURN(auto samples, MakeInstantSelector(context, infos, grid, InstantValue::kSample));
  Tile tile(grid.steps, context.budget.memory());
  while (true) {
    ASSIGN_OR_RETURN(const bool more, samples->Next(tile));
    if (!more) return {};
    for (Row& row : tile) {
      if (!row.DropHistograms()) continue;
      return base::Fail(base::Code::kFailedPrecondition, "info sample should be float");
    }
  }
}

}  // namespace

base::Result<VectorOperatorPtr> InfoOf(Planner& planner, const Call& call, const Grid& grid) {
  QueryContext& context = planner.context();
  ASSIGN_OR_RETURN(const InfoSelector selector, ReadSelector(call));
  ASSIGN_OR_RETURN(const Rows rows, planner.ReadVector(*call.args[0], grid));
  VectorSelector infos;
  infos.matchers = selector.names;
  infos.matchers.insert(infos.matchers.end(), selector.data.begin(), selector.data.end());
  FollowModifiers(*call.args[0], infos);
  RETURN_IF_ERROR(CheckInfos(context, infos, grid));
  ASSIGN_OR_RETURN(auto input, MakeInstantSelector(context, infos, grid, InstantValue::kTimestamp));
  ASSIGN_OR_RETURN(const Rows info_times, ReadAll(*input, grid.steps, context.budget));
  Enrichment enrichment(selector, grid.steps, info_times, context.budget);
  for (const Row* row : rows.rows) {
    RETURN_IF_ERROR(context.budget.Check());
    RETURN_IF_ERROR(enrichment.Add(*row));
  }
  ASSIGN_OR_RETURN(Rows enriched, MergeEqualRows(enrichment.Take(), grid.steps, context.budget));
  return MakeRowsOperator(std::move(enriched), context.budget);
}

}  // namespace narthex::promql
