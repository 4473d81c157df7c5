#include <algorithm>

#include "model/matcher.h"
#include "promql/exec/planner.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

bool IsLabelName(std::string_view name) { return !name.empty() && model::IsValidUtf8(name); }

// Rewrites labels row by row, then looks for rows that became equal.
template <class Change>
base::Result<VectorOperatorPtr> Relabel(Planner& planner, const Call& call, const Grid& grid,
                                        std::string_view destination, Change&& change) {
  ASSIGN_OR_RETURN(Rows rows, planner.ReadVector(*call.args[0], grid));
  model::LabelsBuilder builder;
  for (Row* row : rows.rows) {
    builder.Reset(row->labels);
    if (change(row->labels, builder)) {
      row->labels = builder.Build();
      // A name that the query sets is there to stay.
      if (destination == model::kMetricName) row->drop_name = false;
    }
  }
  ASSIGN_OR_RETURN(rows, MergeEqualRows(std::move(rows), grid.steps, planner.context().budget));
  return MakeRowsOperator(std::move(rows), planner.context().budget);
}

}  // namespace

base::Result<VectorOperatorPtr> LabelReplace(Planner& planner, const Call& call, const Grid& grid) {
  const std::string& destination = Planner::Text(*call.args[1]);
  const std::string& replacement = Planner::Text(*call.args[2]);
  const std::string& source = Planner::Text(*call.args[3]);
  const std::string& pattern = Planner::Text(*call.args[4]);
  const auto regex = model::AnchoredRegex::Compile(pattern);
  if (!regex) {
    return base::Fail(base::Code::kFailedPrecondition,
                      "invalid regular expression in label_replace(): {}", pattern);
  }
  if (!IsLabelName(destination)) {
    return base::Fail(base::Code::kFailedPrecondition,
                      "invalid destination label name in label_replace(): {}", destination);
  }
  std::string value;
  return Relabel(planner, call, grid, destination,
                 [&](const model::Labels& labels, model::LabelsBuilder& builder) {
                   if (!regex->Expand(labels.Get(source), replacement, &value)) return false;
                   builder.Set(destination, value);
                   return true;
                 });
}

base::Result<VectorOperatorPtr> LabelJoin(Planner& planner, const Call& call, const Grid& grid) {
  const std::string& destination = Planner::Text(*call.args[1]);
  const std::string& separator = Planner::Text(*call.args[2]);
  std::vector<std::string_view> sources;
  for (size_t i = 3; i < call.args.size(); ++i) {
    sources.push_back(Planner::Text(*call.args[i]));
    if (!IsLabelName(sources.back())) {
      return base::Fail(base::Code::kFailedPrecondition,
                        "invalid source label name in label_join(): {}", sources.back());
    }
  }
  if (!IsLabelName(destination)) {
    return base::Fail(base::Code::kFailedPrecondition,
                      "invalid destination label name in label_join(): {}", destination);
  }
  std::string value;
  return Relabel(planner, call, grid, destination,
                 [&](const model::Labels& labels, model::LabelsBuilder& builder) {
                   value.clear();
                   for (size_t i = 0; i < sources.size(); ++i) {
                     if (i > 0) value += separator;
                     value += labels.Get(sources[i]);
                   }
                   builder.Set(destination, value);
                   return true;
                 });
}

}  // namespace narthex::promql
