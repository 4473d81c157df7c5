#include "demo/queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace narthex::demo {
namespace {

constexpr ExampleQuery kQueries[] = {
    {"requests per second by endpoint", "sum by (endpoint) (rate(http_requests_total[30s]))",
     "endpoint", "/s"},
    {"share of requests that fail",
     "sum(rate(http_requests_total{status=~\"5..\"}[30s])) / sum(rate(http_requests_total[30s]))",
     "", ""},
    {"95th percentile of the latency by endpoint",
     "histogram_quantile(0.95, sum by (le, endpoint) "
     "(rate(http_request_duration_seconds_bucket[30s])))",
     "endpoint", " s"},
};

// Three digits at most, and no exponent for large numbers.
std::string FormatNumber(double value) {
  if (std::isnan(value)) return "–";
  if (std::abs(value) >= 100) return fmt::format("{:.0f}", value);
  if (std::abs(value) >= 10) return fmt::format("{:.1f}", value);
  if (std::abs(value) >= 1) return fmt::format("{:.2f}", value);
  return fmt::format("{:.2g}", value);
}

}  // namespace

std::span<const ExampleQuery> ExampleQueries() { return kQueries; }

std::string FormatAnswer(const QueryAnswer& answer) {
  if (!answer.error.empty()) return answer.error;
  if (answer.series.empty()) return "no data yet";
  std::vector<std::string> parts;
  for (const AnswerSeries& series : answer.series) {
    const auto label = series.labels.find(answer.query->label);
    const std::string name = label == series.labels.end() ? "" : label->second + " ";
    parts.push_back(name + FormatNumber(series.value) + answer.query->unit);
  }
  std::ranges::sort(parts);
  return fmt::format("{}", fmt::join(parts, "  "));
}

std::string RequestsQuery(std::string_view run) {
  return fmt::format(
      "sum by (method, endpoint, status) (http_requests_total{{instance=~\"{}.*\"}})", run);
}

}  // namespace narthex::demo
