#include "exporters/loadbalancing/split.h"

#include <algorithm>

namespace narthex::exporters {
namespace {

// Attributes as text, whatever their order was.
void AppendAttributes(std::string& key, const otlp::AttributeMap& attributes) {
  std::vector<std::string> pairs;
  pairs.reserve(attributes.size());
  for (const auto& [name, value] : attributes) pairs.push_back(name + '\0' + value.Encode());
  std::ranges::sort(pairs);
  for (const std::string& pair : pairs) {
    key += pair;
    key += '\1';
  }
  key += '\2';
}

size_t PointsOf(const otlp::TreeResource& resource) {
  size_t points = 0;
  for (const otlp::TreeScope& scope : resource.scopes) {
    for (const otlp::TreeMetric& metric : scope.metrics) points += metric.points.size();
  }
  return points;
}

otlp::TreeResource WithoutScopes(const otlp::TreeResource& resource) {
  return {.attributes = resource.attributes,
          .schema_url = resource.schema_url,
          .dropped_attributes = resource.dropped_attributes,
          .entity_refs = resource.entity_refs,
          .scopes = {}};
}
otlp::TreeScope WithoutMetrics(const otlp::TreeScope& scope) {
  return {.name = scope.name,
          .version = scope.version,
          .schema_url = scope.schema_url,
          .attributes = scope.attributes,
          .dropped_attributes = scope.dropped_attributes,
          .metrics = {}};
}
otlp::TreeMetric WithoutPoints(const otlp::TreeMetric& metric) {
  return {.name = metric.name,
          .description = metric.description,
          .unit = metric.unit,
          .metadata = metric.metadata,
          .kind = metric.kind,
          .temporality = metric.temporality,
          .is_monotonic = metric.is_monotonic,
          .points = {}};
}

// Puts metrics and points where they go, under copies of what they were under.
class Sorter {
 public:
  Sorter(RoutingKey key, const std::vector<std::string>& attributes,
         const std::function<size_t(std::string_view)>& choose, Split& split)
      : key_(key), attributes_(attributes), choose_(choose), split_(split) {}

  void Take(const otlp::TreeResource& resource) {
    resources_.clear();
    for (const otlp::TreeScope& scope : resource.scopes) {
      scopes_.clear();
      for (const otlp::TreeMetric& metric : scope.metrics) Take(resource, scope, metric);
    }
  }

 private:
  void Take(const otlp::TreeResource& resource, const otlp::TreeScope& scope,
            const otlp::TreeMetric& metric) {
    if (key_ == RoutingKey::kMetric) {
      ScopeAt(choose_(metric.name), resource, scope).metrics.push_back(metric);
      return;
    }
    std::map<size_t, otlp::TreeMetric*> metrics;
    for (const otlp::TreePoint& point : metric.points) {
      const size_t at = choose_(KeyOf(resource, scope, metric, point));
      otlp::TreeMetric*& part = metrics[at];
      if (part == nullptr) {
        part = &ScopeAt(at, resource, scope).metrics.emplace_back(WithoutPoints(metric));
      }
      part->points.push_back(point);
    }
  }

  std::string KeyOf(const otlp::TreeResource& resource, const otlp::TreeScope& scope,
                    const otlp::TreeMetric& metric, const otlp::TreePoint& point) const {
    std::string key;
    if (key_ == RoutingKey::kAttributes) {
      for (const std::string& name : attributes_) {
        const otlp::Any* value = otlp::Find(resource.attributes, name);
        if (value == nullptr) value = otlp::Find(point.attributes, name);
        key += (value == nullptr ? "" : otlp::Text(*value)) + '\0';
      }
      return key;
    }
    AppendAttributes(key, resource.attributes);
    key += scope.name + '\0' + scope.version + '\0';
    AppendAttributes(key, scope.attributes);
    key += metric.name + '\0' + metric.unit + '\0';
    key += static_cast<char>(metric.kind);
    key += static_cast<char>(metric.temporality);
    key += metric.is_monotonic ? '1' : '0';
    AppendAttributes(key, point.attributes);
    return key;
  }

  otlp::TreeScope& ScopeAt(size_t at, const otlp::TreeResource& resource,
                           const otlp::TreeScope& scope) {
    otlp::TreeScope*& home = scopes_[at];
    if (home != nullptr) return *home;
    otlp::TreeResource*& above = resources_[at];
    if (above == nullptr) {
      above = &split_.parts[at].resources.emplace_back(WithoutScopes(resource));
    }
    home = &above->scopes.emplace_back(WithoutMetrics(scope));
    return *home;
  }

  const RoutingKey key_;
  const std::vector<std::string>& attributes_;
  const std::function<size_t(std::string_view)>& choose_;
  Split& split_;
  std::map<size_t, otlp::TreeResource*> resources_;  // Of the resource at hand, by part.
  std::map<size_t, otlp::TreeScope*> scopes_;        // Of the scope at hand.
};

}  // namespace

Split SplitBy(RoutingKey key, const std::vector<std::string>& attributes, otlp::Tree tree,
              const std::function<size_t(std::string_view)>& choose) {
  Split split;
  Sorter sorter(key, attributes, choose, split);
  for (otlp::TreeResource& resource : tree.resources) {
    std::string text;
    if (key == RoutingKey::kService) {
      const otlp::Any* const name = otlp::Find(resource.attributes, "service.name");
      if (name == nullptr) {
        split.points_without_key += PointsOf(resource);
        continue;
      }
      text = otlp::Text(*name);
    } else if (key == RoutingKey::kResource) {
      AppendAttributes(text, resource.attributes);
    } else {
      sorter.Take(resource);
      continue;
    }
    split.parts[choose(text)].resources.push_back(std::move(resource));
  }
  return split;
}

}  // namespace narthex::exporters
