#include "otlp/stream.h"

#include <utility>

#include "otlp/aggregate.h"

namespace narthex::otlp {
namespace {

void AppendPart(std::string& key, std::string_view part) {
  key += std::to_string(part.size());
  key += ':';
  key += part;
}

}  // namespace

std::string ResourceKey(const TreeResource& resource) {
  std::string key;
  AppendPart(key, resource.schema_url);
  AppendPart(key, KeyOf(resource.attributes));
  return key;
}

std::string ScopeKey(const TreeScope& scope) {
  std::string key;
  AppendPart(key, scope.name);
  AppendPart(key, scope.version);
  AppendPart(key, scope.schema_url);
  AppendPart(key, KeyOf(scope.attributes));
  return key;
}

std::string MetricKey(const TreeMetric& metric) {
  std::string key;
  AppendPart(key, metric.name);
  AppendPart(key, metric.unit);
  key += static_cast<char>('a' + static_cast<int>(metric.kind));
  key += static_cast<char>('a' + static_cast<int>(metric.temporality));
  key += metric.is_monotonic ? '+' : '-';
  return key;
}

TreeMetric& TreeMerger::Place(const TreeResource& resource, const TreeScope& scope,
                              const TreeMetric& metric) {
  std::string key = ResourceKey(resource);
  const auto [r, is_new_resource] = resources_.emplace(key, tree_.resources.size());
  if (is_new_resource) {
    tree_.resources.push_back({.attributes = resource.attributes,
                               .schema_url = resource.schema_url,
                               .dropped_attributes = resource.dropped_attributes,
                               .entity_refs = resource.entity_refs,
                               .scopes = {}});
  }
  std::deque<TreeScope>& scopes = tree_.resources[r->second].scopes;
  AppendPart(key, ScopeKey(scope));
  const auto [s, is_new_scope] = scopes_.emplace(key, scopes.size());
  if (is_new_scope) {
    scopes.push_back({.name = scope.name,
                      .version = scope.version,
                      .schema_url = scope.schema_url,
                      .attributes = scope.attributes,
                      .dropped_attributes = scope.dropped_attributes,
                      .metrics = {}});
  }
  std::deque<TreeMetric>& metrics = scopes[s->second].metrics;
  AppendPart(key, MetricKey(metric));
  const auto [m, is_new_metric] = metrics_.emplace(std::move(key), nullptr);
  if (is_new_metric) {
    m->second = &metrics.emplace_back(TreeMetric{.name = metric.name,
                                                 .description = metric.description,
                                                 .unit = metric.unit,
                                                 .metadata = metric.metadata,
                                                 .kind = metric.kind,
                                                 .temporality = metric.temporality,
                                                 .is_monotonic = metric.is_monotonic,
                                                 .points = {}});
  }
  return *m->second;
}

Tree TreeMerger::Take() {
  resources_.clear();
  scopes_.clear();
  metrics_.clear();
  return std::exchange(tree_, Tree());
}

}  // namespace narthex::otlp
