#include "exporters/loadbalancing/split.h"

#include <utility>

#include "otlp/aggregate.h"
#include "otlp/stream.h"

namespace narthex::exporters {
namespace {

size_t PointsOf(const otlp::TreeResource& resource) {
  size_t points = 0;
  for (const otlp::TreeScope& scope : resource.scopes) {
    for (const otlp::TreeMetric& metric : scope.metrics) points += metric.points.size();
  }
  return points;
}

// Resources that go to one server as a whole.
Split SplitResources(RoutingKey key, otlp::Tree tree, const Choose& choose) {
  Split split;
  for (otlp::TreeResource& resource : tree.resources) {
    std::string text;
    if (key == RoutingKey::kResource) {
      text = otlp::ResourceKey(resource);
    } else if (const auto* const name = otlp::Find(resource.attributes, "service.name")) {
      text = otlp::Text(*name);
    } else {
      split.points_without_key += PointsOf(resource);
      continue;
    }
    split.parts[choose(text)].resources.push_back(std::move(resource));
  }
  return split;
}

// Every point by itself. `key_of(resource, point)` is put behind `begin_of(resource, scope,
// metric)`.
template <class BeginOf, class KeyOf>
Split SplitPoints(otlp::Tree tree, const Choose& choose, BeginOf begin_of, KeyOf key_of) {
  std::map<size_t, otlp::TreeMerger> mergers;
  otlp::VisitMetrics(tree, [&](const otlp::TreeResource& resource, const otlp::TreeScope& scope,
                               otlp::TreeMetric& metric) {
    const std::string begin = begin_of(resource, scope, metric);
    std::map<size_t, otlp::TreeMetric*> homes;
    for (otlp::TreePoint& point : metric.points) {
      const size_t at = choose(begin + key_of(resource, point));
      otlp::TreeMetric*& home = homes[at];
      if (home == nullptr) home = &mergers[at].Place(resource, scope, metric);
      home->points.push_back(std::move(point));
    }
  });
  Split split;
  for (auto& [at, merger] : mergers) split.parts.emplace(at, merger.Take());
  return split;
}

}  // namespace

Split SplitBy(RoutingKey key, const std::vector<std::string>& attributes, otlp::Tree tree,
              const Choose& choose) {
  using Resource = otlp::TreeResource;
  using Scope = otlp::TreeScope;
  using Metric = otlp::TreeMetric;
  using Point = otlp::TreePoint;
  switch (key) {
    case RoutingKey::kService:
    case RoutingKey::kResource:
      break;
    case RoutingKey::kMetric:
      return SplitPoints(
          std::move(tree), choose,
          [](const Resource&, const Scope&, const Metric& metric) { return metric.name; },
          [](const Resource&, const Point&) { return ""; });
    case RoutingKey::kStream:
      return SplitPoints(
          std::move(tree), choose,
          [](const Resource& resource, const Scope& scope, const Metric& metric) {
            return otlp::ResourceKey(resource) + otlp::ScopeKey(scope) + otlp::MetricKey(metric);
          },
          [](const Resource&, const Point& point) { return otlp::KeyOf(point.attributes); });
    case RoutingKey::kAttributes:
      return SplitPoints(
          std::move(tree), choose,
          [](const Resource&, const Scope&, const Metric&) { return std::string(); },
          [&](const Resource& resource, const Point& point) {
            std::string values;
            for (const std::string& name : attributes) {
              const otlp::Any* value = otlp::Find(resource.attributes, name);
              if (value == nullptr) value = otlp::Find(point.attributes, name);
              values += (value == nullptr ? "" : otlp::Text(*value)) + '\0';
            }
            return values;
          });
  }
  return SplitResources(key, std::move(tree), choose);
}

}  // namespace narthex::exporters
