#include "receivers/hostmetrics/page.h"

#include <fmt/core.h>

#include <algorithm>

namespace narthex::receivers {

void HostPage::BeginScope(std::string_view scraper) {
  if (tree_.resources.empty()) tree_.resources.emplace_back();
  tree_.resources.back().scopes.emplace_back().name = fmt::format(
      "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/"
      "hostmetricsreceiver/internal/scraper/{}scraper",
      scraper);
}

void HostPage::BeginResource(std::string_view scraper, otlp::AttributeMap attributes,
                             uint64_t start_ns) {
  tree_.resources.emplace_back().attributes = std::move(attributes);
  start_ns_ = start_ns;
  BeginScope(scraper);
}

void HostPage::Add(const HostMetric& metric, int64_t value, Labels labels) {
  AddPoint(metric, value, labels);
}

void HostPage::Add(const HostMetric& metric, double value, Labels labels) {
  AddPoint(metric, value, labels);
}

template <class Value>
void HostPage::AddPoint(const HostMetric& metric, Value value, Labels labels) {
  if (!Wants(metric)) return;
  auto& metrics = tree_.resources.back().scopes.back().metrics;
  auto home = std::ranges::find(metrics, metric.name, &otlp::TreeMetric::name);
  if (home == metrics.end()) {
    const bool is_gauge = metric.shape == HostMetric::Shape::kGauge;
    metrics.push_back(
        {.name = std::string(metric.name),
         .description = std::string(metric.description),
         .unit = std::string(metric.unit),
         .kind = is_gauge ? otlp::MetricKind::kGauge : otlp::MetricKind::kSum,
         .temporality = is_gauge ? otlp::Temporality::kUnspecified : otlp::Temporality::kCumulative,
         .is_monotonic = metric.shape == HostMetric::Shape::kCounter});
    home = std::prev(metrics.end());
  }
  otlp::TreePoint& point = home->points.emplace_back();
  for (const auto& [key, text] : labels) otlp::Put(point.attributes, key, text);
  point.start_ns = metric.shape == HostMetric::Shape::kGauge ? 0 : start_ns_;
  point.time_ns = time_ns_;
  point.SetNumber(value);
  ++points_;
}

}  // namespace narthex::receivers
