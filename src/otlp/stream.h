#pragma once

#include <string>
#include <unordered_map>

#include "otlp/tree.h"

namespace narthex::otlp {

// What tells one stream of points from another. Texts that are equal if and only if the things
// are. Source: OpenTelemetry specification, metrics data model.
std::string ResourceKey(const TreeResource& resource);
std::string ScopeKey(const TreeScope& scope);
// Name, unit, kind, temporality and monotonicity.
std::string MetricKey(const TreeMetric& metric);

// Puts points into a tree so that equal resources, scopes and metrics are there once. One thread at
// a time.
class TreeMerger {
 public:
  // The metric of the tree that the others describe; its points are the caller's to add. Good until
  // Take.
  TreeMetric& Place(const TreeResource& resource, const TreeScope& scope, const TreeMetric& metric);
  // What was put together; the merger is empty again.
  Tree Take();

 private:
  Tree tree_;
  std::unordered_map<std::string, size_t> resources_;
  std::unordered_map<std::string, size_t> scopes_;
  std::unordered_map<std::string, TreeMetric*> metrics_;
};

// Calls `visit(resource, scope, metric)` for every metric.
template <class TreeType, class Visit>
void VisitMetrics(TreeType& tree, Visit visit) {
  for (auto& resource : tree.resources) {
    for (auto& scope : resource.scopes) {
      for (auto& metric : scope.metrics) visit(resource, scope, metric);
    }
  }
}

}  // namespace narthex::otlp
