#pragma once

#include <vector>

#include "promql/script/series_notation.h"

namespace narthex::promql {

// The native histograms with custom buckets that the `_bucket`, `_count` and `_sum` series of a
// `load_with_nhcb` block stand for; other series are passed over.
std::vector<SeriesLine> ConvertClassicHistograms(const std::vector<SeriesLine>& block);

}  // namespace narthex::promql
