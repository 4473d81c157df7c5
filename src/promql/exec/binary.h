#pragma once

#include "promql/exec/group_key.h"
#include "promql/exec/operator.h"
#include "promql/exec/planner.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// Binary operators with a vector on at least one side. binary.cc: with a scalar on the other;
// join.cc: arithmetic and comparison of two vectors; set_op.cc: and, or, unless.
base::Result<VectorOperatorPtr> MakeVectorScalar(Planner& planner, const Binary& node,
                                                 const Grid& grid);
base::Result<VectorOperatorPtr> MakeJoin(Planner& planner, const Binary& node, const Grid& grid);
base::Result<VectorOperatorPtr> MakeSetOp(Planner& planner, const Binary& node, const Grid& grid);

// True when the result says something else than the metric did, so that its name goes.
inline bool DropsName(const Binary& node) {
  return node.return_bool || node.op <= BinaryOp::kAtan2;
}

inline LabelSubset MatchGroupOf(const VectorMatching& matching) {
  return {matching.labels, matching.on ? LabelSubset::Keep::kOnly : LabelSubset::Keep::kIgnoring};
}

}  // namespace narthex::promql
