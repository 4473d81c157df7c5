#pragma once

#include "promql/exec/window.h"

namespace narthex::promql {

// The functions that know `[5m] anchored` and `[5m] smoothed`: instead of extrapolating they look
// at samples beyond the window, up to the look-back away.
//   anchored: the newest sample at or before the window's start counts as its first.
//   smoothed: the values at both ends are interpolated between the samples around them.

// The variant of a function over such windows; nullptr where it has none.
WindowFn ExtendedVariant(WindowFn fn, bool smoothed);

}  // namespace narthex::promql
