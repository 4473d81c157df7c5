#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"

namespace narthex::promql {

// One value of a script: a number, or a native histogram.
struct ScriptValue {
  double number = 0;
  model::HistogramPtr histogram;  // Null for numbers.
  bool hint_given = false;        // The notation names a counter reset hint.
};

// `metric{a="b"} 1 2+1x3 _ stale {{count:1 buckets:[1]}}` of test scripts: labels and one value per
// step, nullopt where there is no sample. Error: kInvalidArgument.
struct SeriesLine {
  model::Labels labels;
  std::vector<std::optional<ScriptValue>> values;
};
base::Result<SeriesLine> ParseSeriesLine(std::string_view line);

// `metric{a="b"}@st _ -30s -1mx2 -1m-1mx2`: when the counting began that the samples at the same
// positions tell of, in ms relative to each of them. Values are numbers.
bool IsStartLine(std::string_view line);
base::Result<SeriesLine> ParseStartLine(std::string_view line);

// A single value; hexadecimal allowed.
std::optional<double> ParseScriptNumber(std::string_view text);

}  // namespace narthex::promql
