#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "otlp/tree.h"

namespace narthex::exporters {

// What decides where metrics go. Source: opentelemetry-collector-contrib, loadbalancingexporter.
enum class RoutingKey {
  kService,     // The resource's service.name.
  kResource,    // All of the resource's attributes.
  kMetric,      // The metric's name.
  kStream,      // Everything that tells a stream from others.
  kAttributes,  // Chosen attributes, of the resource or else of the point.
};

// Metrics by the server that they go to.
struct Split {
  std::map<size_t, otlp::Tree> parts;
  size_t points_without_key = 0;  // Of resources without service.name: in no part.
};

// The server of a key.
using Choose = std::function<size_t(std::string_view)>;

// Equal keys stay together, in their order.
Split SplitBy(RoutingKey key, const std::vector<std::string>& attributes, otlp::Tree tree,
              const Choose& choose);

}  // namespace narthex::exporters
