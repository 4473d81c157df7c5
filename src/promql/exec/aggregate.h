#pragma once

#include "promql/exec/group_key.h"
#include "promql/exec/operator.h"
#include "promql/exec/planner.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// sum, avg and their like, which take row after row into one accumulator per group and step
// (aggregate.cc), and those that look at all members of a group at once (rank.cc).
base::Result<VectorOperatorPtr> MakeAggregate(Planner& planner, const Aggregate& node,
                                              const Grid& grid);
base::Result<VectorOperatorPtr> MakeRankAggregate(Planner& planner, const Aggregate& node,
                                                  const Grid& grid);

inline LabelSubset GroupingOf(const Aggregate& node) {
  return {node.grouping, node.without ? LabelSubset::Keep::kWithout : LabelSubset::Keep::kOnly};
}

}  // namespace narthex::promql
