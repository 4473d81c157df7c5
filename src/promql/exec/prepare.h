#pragma once

#include "base/result.h"
#include "model/sample.h"
#include "promql/exec/grid.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// Replaces duration expressions by their values, and `@ start()` and `@ end()` by times: what
// depends on the query's times but not on data. Error: kInvalidArgument for a range or step that is
// not positive.
base::Status ResolveTimes(Expr& expr, const QueryTimes& times);

// Tells selectors whose native histograms are asked for count and sum only to look for resets.
void MarkResetDetection(Expr& expr);

// The times whose samples an expression can touch. REQUIRES: resolved.
model::TimeRange TouchedTimes(const Expr& expr, const Grid& grid, int64_t lookback_ms);

}  // namespace narthex::promql
