#include "demo/readings.h"

#include <cmath>

#include "exposition/parser.h"
#include "json/reader.h"
#include "model/number.h"

namespace narthex::demo {
namespace {

constexpr base::Code kInvalid = base::Code::kInvalidArgument;

std::string Text(json::Element object, std::string_view name) {
  return std::string(object.Get(name).String().value_or(""));
}

RequestCounts ReadRequests(json::Element items) {
  RequestCounts counts;
  items.ForEachItem([&](json::Element item) {
    counts[{Text(item, "method"), Text(item, "endpoint"), Text(item, "status")}] +=
        item.Get("count").Uint().value_or(0);
    return true;
  });
  return counts;
}

// Calls `visit(labels, value)` for every series of a text exposition.
template <class Visit>
base::Status ForEachSeries(std::string_view body, const Visit& visit) {
  exposition::Parser parser(body, exposition::Format::kText);
  while (true) {
    ASSIGN_OR_RETURN(const auto entry, parser.Next());
    if (!entry.has_value()) return {};
    if (*entry != exposition::Parser::Entry::kSeries) continue;
    ASSIGN_OR_RETURN(const model::Labels labels, parser.Labels());
    visit(labels, parser.value());
  }
}

// The collector's counters may carry "_total", depending on its configuration.
std::string_view WithoutTotal(std::string_view name) {
  if (name.ends_with("_total")) name.remove_suffix(6);
  return name;
}

uint64_t* PointsCounter(std::string_view name, CollectorTotals& totals) {
  if (name == "otelcol_receiver_accepted_metric_points") return &totals.accepted_points;
  if (name == "otelcol_receiver_refused_metric_points") return &totals.refused_points;
  if (name == "otelcol_receiver_failed_metric_points") return &totals.failed_points;
  if (name == "otelcol_exporter_sent_metric_points") return &totals.sent_points;
  if (name == "otelcol_exporter_send_failed_metric_points") return &totals.send_failed_points;
  return nullptr;
}

AnswerSeries ReadSeries(json::Element item) {
  AnswerSeries series;
  item.Get("metric").ForEachMember([&](std::string_view name, json::Element value) {
    series.labels[std::string(name)] = std::string(value.String().value_or(""));
    return true;
  });
  const auto read_sample = [&](json::Element pair) {
    size_t index = 0;
    pair.ForEachItem([&](json::Element part) {
      if (index++ == 0) {
        series.timestamp_s = part.Double().value_or(0);
      } else {
        series.value = model::ParseFloat(part.String().value_or("")).value_or(NAN);
      }
      return true;
    });
    return true;
  };
  item.Get("values").ForEachItem(read_sample);
  read_sample(item.Get("value"));
  return series;
}

}  // namespace

base::Result<LoadTotals> ParseLoadReport(std::string_view json) {
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(json));
  const json::Element root = document.root();
  const auto count = [&](std::string_view name) { return root.Get(name).Uint().value_or(0); };
  LoadTotals totals{.planned = count("planned"),
                    .sent = count("sent"),
                    .completed = count("completed"),
                    .failed = count("failed"),
                    .dropped = count("dropped"),
                    .in_flight = count("in_flight")};
  totals.p95_ms = root.Get("response_ms").Get("p95").Double().value_or(0);
  totals.requests = ReadRequests(root.Get("requests"));
  return totals;
}

base::Result<ApiTotals> ParseApiCounts(std::string_view json) {
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(json));
  const json::Element root = document.root();
  return ApiTotals{.in_flight = root.Get("in_flight").Int().value_or(0),
                   .requests = ReadRequests(root.Get("requests"))};
}

base::Result<CollectorTotals> ParseCollectorMetrics(std::string_view own, std::string_view exposed,
                                                    std::string_view run) {
  CollectorTotals totals;
  RETURN_IF_ERROR(ForEachSeries(own, [&](const model::Labels& labels, double value) {
    uint64_t* const counter = PointsCounter(WithoutTotal(labels.Get("__name__")), totals);
    const std::string_view exporter = labels.Get("exporter");
    if (counter == nullptr || (!exporter.empty() && !exporter.starts_with("prometheus"))) return;
    *counter += static_cast<uint64_t>(value);
  }));
  RETURN_IF_ERROR(ForEachSeries(exposed, [&](const model::Labels& labels, double value) {
    if (labels.Get("__name__") != "http_requests_total") return;
    if (!labels.Get("instance").starts_with(run)) return;
    totals.requests[{std::string(labels.Get("method")), std::string(labels.Get("endpoint")),
                     std::string(labels.Get("status"))}] += static_cast<uint64_t>(value);
  }));
  return totals;
}

base::Result<std::vector<AnswerSeries>> ParseQueryAnswer(std::string_view json) {
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(json));
  const json::Element root = document.root();
  if (root.Get("status").String() != "success") {
    return base::Fail(kInvalid, "{}", Text(root, "error"));
  }
  const json::Element result = root.Get("data").Get("result");
  std::vector<AnswerSeries> series;
  if (root.Get("data").Get("resultType").String() == "scalar") {
    AnswerSeries scalar;
    result.ForEachItem([&](json::Element part) {
      if (part.kind() == json::Kind::kString) {
        scalar.value = model::ParseFloat(*part.String()).value_or(NAN);
      } else {
        scalar.timestamp_s = part.Double().value_or(0);
      }
      return true;
    });
    series.push_back(std::move(scalar));
    return series;
  }
  result.ForEachItem([&](json::Element item) {
    series.push_back(ReadSeries(item));
    return true;
  });
  return series;
}

RequestCounts RequestsOf(const std::vector<AnswerSeries>& answer) {
  RequestCounts counts;
  for (const AnswerSeries& series : answer) {
    const auto label = [&](const char* name) {
      const auto found = series.labels.find(name);
      return found == series.labels.end() ? std::string() : found->second;
    };
    counts[{label("method"), label("endpoint"), label("status")}] +=
        static_cast<uint64_t>(std::llround(series.value));
  }
  return counts;
}

}  // namespace narthex::demo
