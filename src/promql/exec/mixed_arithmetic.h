#pragma once

#include <optional>

#include "model/histogram.h"
#include "promql/exec/context.h"
#include "promql/exec/tile.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// A sample on one side of an operator: a number, or a native histogram.
struct Operand {
  double number = 0;
  model::HistogramPtr histogram;  // Null for numbers.

  static Operand Of(const Row& row, size_t step) {
    if (row.IsHistogram(step)) return {0, row.histograms[step]};
    return {row.values[step], nullptr};
  }
};

// The value of `left op right` where a histogram is involved, or an operator for histograms.
// Comparisons give 1 or 0. nullopt, with upstream's remark, where the two do not go together.
std::optional<Operand> ApplyMixed(Annotations& annotations, const Binary& node, const Operand& left,
                                  const Operand& right);

inline bool IsTrim(BinaryOp op) { return op == BinaryOp::kTrimUpper || op == BinaryOp::kTrimLower; }

}  // namespace narthex::promql
