#pragma once

#include "promql/exec/operator.h"
#include "promql/exec/window.h"

namespace narthex::promql {

// Functions over ranges for series with native histograms: windows of numbers are left to the
// function that knows numbers only, the others are done here or have no value. Adds upstream's
// remarks to the query.
void ApplyToMixed(const WindowCall& call, WindowFn fn, const model::SampleColumns& samples,
                  Row& row);

// The histogram at time `t` on the line between two samples around it. A counter that started anew
// between them began at zero.
model::FloatHistogram Interpolate(const model::FloatHistogram& before,
                                  const model::FloatHistogram& after, double share, bool counter);

// Texts of remarks that more than one place makes.
void WarnOfMixedTypes(Annotations& annotations, Position at, std::string_view name);
void WarnOfMixedSchemas(Annotations& annotations, Position at, std::string_view name);
void RemarkOnCombination(Annotations& annotations, Position at,
                         const model::CombineRemarks& remarks, std::string_view operation);

}  // namespace narthex::promql
