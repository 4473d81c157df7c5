#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "otlp/tree.h"
#include "pipeline/factory.h"

namespace re2 {
class RE2;
}

namespace narthex::processors {

// Which metrics are converted, and how. Values.
struct CumulativeToDeltaConfig {
  struct Matcher {
    std::vector<std::string> names;
    std::vector<std::shared_ptr<const re2::RE2>> patterns;  // Match anywhere.
    std::set<otlp::MetricKind> kinds;
    // All that it names: a name, where there are any, and a kind.
    bool Matches(const otlp::TreeMetric& metric) const;
  };
  // Of the first point of a stream: sent where the stream began in our time, always, never.
  enum class Initial { kAuto, kKeep, kDrop };

  std::optional<Matcher> include, exclude;
  std::chrono::nanoseconds max_staleness{0};  // Without points; 0: forever.
  Initial initial = Initial::kAuto;

  bool Converts(const otlp::TreeMetric& metric) const;
};

// What is wrong goes into the context's diagnostics.
CumulativeToDeltaConfig ReadCumulativeToDeltaConfig(const pipeline::CreateContext& context);

}  // namespace narthex::processors
