#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "demo/ledger.h"

namespace narthex::demo {

// What the hops report, taken out of their own formats. Errors: kInvalidArgument.

// The file of `narthex load --json`.
base::Result<LoadTotals> ParseLoadReport(std::string_view json);
// The API's /-/counts.
base::Result<ApiTotals> ParseApiCounts(std::string_view json);
// The collector's own metrics, and what it exposes: of that, the requests of series whose label
// `instance` begins with `run`, so that an earlier run's do not count.
base::Result<CollectorTotals> ParseCollectorMetrics(std::string_view own, std::string_view exposed,
                                                    std::string_view run);

// One series of an answer of /api/v1/query.
struct AnswerSeries {
  std::map<std::string, std::string> labels;
  double value = 0;        // The last one.
  double timestamp_s = 0;  // Of that value.
};
// Vectors, scalars and matrices.
base::Result<std::vector<AnswerSeries>> ParseQueryAnswer(std::string_view json);
RequestCounts RequestsOf(const std::vector<AnswerSeries>& answer);

}  // namespace narthex::demo
