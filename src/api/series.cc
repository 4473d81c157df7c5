#include <set>

#include "api/handlers.h"
#include "api/result_json.h"

namespace narthex::api {

base::Result<Answer> Series(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(const size_t limit, LimitParam(request));
  ASSIGN_OR_RETURN(const auto selectors, MatchParams(request));
  if (selectors.empty()) {
    return base::Fail(base::Code::kInvalidArgument, "no match[] parameter provided");
  }
  ASSIGN_OR_RETURN(const model::TimeRange range, TimeRangeParams(request));
  ASSIGN_OR_RETURN(const auto querier, options.storage.OpenQuerier(range));
  std::set<model::Labels> all;  // A series can match several selectors.
  for (const auto& matchers : selectors) {
    ASSIGN_OR_RETURN(const auto found, querier->Select(matchers));
    for (size_t i = 0; i < found->size(); ++i) all.insert(found->labels(i));
  }
  Answer answer;
  answer.data = "[";
  size_t count = 0;
  for (const model::Labels& labels : all) {
    if (limit > 0 && count == limit) {
      answer.warnings.emplace_back(kTruncated);
      break;
    }
    if (count++ > 0) answer.data += ',';
    AppendLabels(answer.data, labels);
  }
  answer.data += ']';
  return answer;
}

}  // namespace narthex::api
