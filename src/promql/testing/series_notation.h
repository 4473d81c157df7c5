#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace narthex::promql {

// `metric{a="b"} 1 2+1x3 _ stale` of test scripts: labels and one value per step, nullopt where
// there is no sample. Error: kInvalidArgument; kUnimplemented for native histograms.
struct SeriesLine {
  model::Labels labels;
  std::vector<std::optional<double>> values;
};
base::Result<SeriesLine> ParseSeriesLine(std::string_view line);

// A single value; hexadecimal allowed.
std::optional<double> ParseScriptNumber(std::string_view text);

}  // namespace narthex::promql
