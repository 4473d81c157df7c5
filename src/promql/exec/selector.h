#pragma once

#include "promql/exec/operator.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// The windows of a selector over a grid: shifted by its offset, pinned by its `@`.
Windows WindowsOf(const Grid& grid, const std::optional<Duration>& offset, const AtModifier& at,
                  int64_t range_ms);

enum class InstantValue { kSample, kTimestamp, kStart };

// The newest sample of each series within the look-back of each step, or its time or start in
// seconds.
base::Result<VectorOperatorPtr> MakeInstantSelector(QueryContext& context,
                                                    const VectorSelector& selector,
                                                    const Grid& grid, InstantValue value);

// The samples of each series, of all windows together.
base::Result<MatrixOperatorPtr> MakeRangeSelector(QueryContext& context,
                                                  const MatrixSelector& selector, const Grid& grid);

}  // namespace narthex::promql
