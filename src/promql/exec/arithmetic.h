#pragma once

#include "promql/parser/ast.h"

namespace narthex::promql {

// The value of `left op right` for any operator but the set operators; comparisons give 1 or 0.
double Apply(BinaryOp op, double left, double right);

}  // namespace narthex::promql
