#include "demo/probe.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"

namespace narthex::demo {
namespace {

constexpr std::chrono::milliseconds kTimeout{2000};

}  // namespace

base::Result<std::string> Probe::Get(uint16_t port, const std::string& path_and_query) {
  net::HttpClientRequest request;
  request.url = settings_.Url(port) + path_and_query;
  request.timeout = kTimeout;
  ASSIGN_OR_RETURN(net::HttpClientResponse response, client_.FetchAndWait(std::move(request)));
  // An answer to a query is worth reading whatever its status: it says what is wrong.
  if (response.status != 200 && !response.body.starts_with('{')) {
    return base::Fail(base::Code::kUnavailable, "HTTP status {}", response.status);
  }
  return std::move(response.body);
}

base::Result<std::vector<AnswerSeries>> Probe::Query(std::string_view promql) {
  ASSIGN_OR_RETURN(
      const std::string body,
      Get(settings_.ports.server, "/api/v1/query?query=" + net::PercentEncode(promql)));
  return ParseQueryAnswer(body);
}

base::Result<ApiTotals> Probe::ReadApi() {
  ASSIGN_OR_RETURN(const std::string body, Get(settings_.ports.api, "/-/counts"));
  return ParseApiCounts(body);
}

base::Result<CollectorTotals> Probe::ReadCollector() {
  ASSIGN_OR_RETURN(const std::string own, Get(settings_.ports.telemetry, "/metrics"));
  ASSIGN_OR_RETURN(const std::string exposed, Get(settings_.ports.exporter, "/metrics"));
  return ParseCollectorMetrics(own, exposed, settings_.run);
}

base::Result<ServerTotals> Probe::ReadServer() {
  ServerTotals totals;
  ASSIGN_OR_RETURN(const auto requests, Query(RequestsQuery(settings_.run)));
  totals.requests = RequestsOf(requests);
  ASSIGN_OR_RETURN(const auto samples, Query("sum(scrape_samples_scraped)"));
  if (!samples.empty()) {
    totals.samples_per_scrape = static_cast<uint64_t>(std::llround(samples[0].value));
  }
  ASSIGN_OR_RETURN(const auto up, Query("up[1m]"));
  double newest_s = 0;
  for (const AnswerSeries& target : up) {
    ++(target.value == 1 ? totals.targets_up : totals.targets_down);
    newest_s = std::max(newest_s, target.timestamp_s);
  }
  if (newest_s > 0) {
    totals.newest_sample_age_s =
        static_cast<double>(base::SystemClock().WallMs()) / 1000 - newest_s;
  }
  return totals;
}

QueryAnswer Probe::Ask(const ExampleQuery& query) {
  QueryAnswer answer{.query = &query};
  base::Result<std::vector<AnswerSeries>> series = Query(query.promql);
  if (series.has_value()) {
    answer.series = std::move(*series);
  } else {
    answer.error = series.error().message;
  }
  return answer;
}

}  // namespace narthex::demo
