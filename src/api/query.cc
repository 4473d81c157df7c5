#include <limits>

#include "api/handlers.h"
#include "api/result_json.h"
#include "model/number.h"
#include "promql/parser/parser.h"
#include "promql/parser/selectors.h"

namespace narthex::api {
namespace {

promql::Engine::Origin OriginOf(const Request& request) {
  return {.client = request.client, .method = request.method, .path = request.url_path};
}

base::Result<promql::Engine::QueryOptions> ParseQueryOptions(const Request& request,
                                                             const promql::Engine::Origin& origin) {
  promql::Engine::QueryOptions options;
  ASSIGN_OR_RETURN(options.timeout_ms, DurationParam(request, "timeout"));
  ASSIGN_OR_RETURN(options.lookback_ms, DurationParam(request, "lookback_delta"));
  if (options.lookback_ms && *options.lookback_ms <= 0) options.lookback_ms.reset();
  options.stop = request.stop;
  options.profile = request.params.Get("stats") == "all";
  options.origin = &origin;
  return options;
}

// What is wrong with a query's text is wrong with the parameter.
base::Result<Answer> Finish(const promql::Engine& engine, base::Result<promql::QueryResult> result,
                            size_t limit, const Request& request) {
  if (!result) {
    base::Error error = std::move(result).error();
    if (error.code == base::Code::kInvalidArgument) error = InvalidParam("query", std::move(error));
    return std::unexpected(std::move(error));
  }
  Answer answer;
  const bool with_stats = !request.params.Get("stats").empty();
  const auto admit = [&](size_t bytes) -> base::Status {
    if (request.stop.stop_requested()) {
      return base::Fail(base::Code::kCancelled, "query was canceled in query response");
    }
    return engine.AdmitAnswer(*result, bytes);
  };
  ASSIGN_OR_RETURN(const bool truncated,
                   AppendQueryResult(answer.data, *result, limit, with_stats, admit));
  answer.warnings = std::move(result->warnings);
  answer.infos = std::move(result->infos);
  if (truncated) answer.warnings.emplace_back(kTruncated);
  return answer;
}

}  // namespace

base::Result<Answer> Query(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(const size_t limit, LimitParam(request));
  ASSIGN_OR_RETURN(const model::Timestamp time, TimeParam(request, "time", options.clock.WallMs()));
  const promql::Engine::Origin origin = OriginOf(request);
  ASSIGN_OR_RETURN(const auto query_options, ParseQueryOptions(request, origin));
  return Finish(
      options.engine,
      options.engine.Instant(options.storage, request.params.Get("query"), time, query_options),
      limit, request);
}

base::Result<Answer> QueryRange(const ApiV1::Options& options, const Request& request) {
  constexpr int64_t kPointsMax = 11'000;
  const auto invalid = [](std::string_view name, std::string message) {
    return std::unexpected(InvalidParam(name, {base::Code::kInvalidArgument, std::move(message)}));
  };
  ASSIGN_OR_RETURN(const size_t limit, LimitParam(request));
  promql::Engine::Range range;
  ASSIGN_OR_RETURN(range.start, RequiredTimeParam(request, "start"));
  ASSIGN_OR_RETURN(range.end, RequiredTimeParam(request, "end"));
  if (range.end < range.start) {
    return invalid("end", "end timestamp must not be before start time");
  }
  ASSIGN_OR_RETURN(const auto step, DurationParam(request, "step"));
  if (!step) return invalid("step", "cannot parse \"\" to a valid duration");
  range.step_ms = *step;
  if (range.step_ms <= 0) {
    return invalid("step",
                   "zero or negative query resolution step widths are not accepted. Try a positive "
                   "integer");
  }
  if ((range.end - range.start) / range.step_ms > kPointsMax) {
    return base::Fail(base::Code::kInvalidArgument,
                      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                      "the query resolution (?step=XX)");
  }
  const promql::Engine::Origin origin = OriginOf(request);
  ASSIGN_OR_RETURN(const auto query_options, ParseQueryOptions(request, origin));
  return Finish(
      options.engine,
      options.engine.OverRange(options.storage, request.params.Get("query"), range, query_options),
      limit, request);
}

base::Result<Answer> QueryExemplars(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(const model::TimeRange range, TimeRangeParams(request));
  if (range.max < range.min) {
    return base::Fail(base::Code::kInvalidArgument,
                      "end timestamp must not be before start timestamp");
  }
  auto expr = promql::Parse(request.params.Get("query"), options.engine.options().parse);
  if (!expr) return std::unexpected(std::move(expr).error());
  Answer answer{.data = "["};
  const std::vector<std::vector<model::Matcher>> selectors = promql::SelectorsOf(**expr);
  std::vector<storage::ExemplarSeries> found;
  if (options.exemplars != nullptr) {
    ASSIGN_OR_RETURN(found, options.exemplars->SelectExemplars(selectors, range));
  }
  for (const storage::ExemplarSeries& series : found) {
    answer.data += answer.data.size() == 1 ? R"({"seriesLabels":)" : R"(,{"seriesLabels":)";
    AppendLabels(answer.data, series.labels);
    answer.data += R"(,"exemplars":[)";
    for (const model::Exemplar& exemplar : series.exemplars) {
      answer.data += answer.data.back() == '[' ? R"({"labels":)" : R"(,{"labels":)";
      AppendLabels(answer.data, exemplar.labels);
      answer.data +=
          fmt::format(R"(,"value":"{}","timestamp":)", model::FormatFloat(exemplar.value));
      AppendTimestamp(answer.data, exemplar.timestamp.value_or(0));
      answer.data += '}';
    }
    answer.data += "]}";
  }
  answer.data += ']';
  return answer;
}

}  // namespace narthex::api
