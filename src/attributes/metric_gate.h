#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/reader.h"
#include "otlp/batch.h"

namespace re2 {
class RE2;
}

namespace narthex::attributes {

// Chooses metrics by name and resource, as `include` and `exclude` blocks say. Immutable, and so
// thread-safe. Source: OpenTelemetry Collector, internal/filter.
class MetricMatcher {
 public:
  // `node`: `match_type`, `metric_names`, `resources` (also called `resource_attributes`).
  static MetricMatcher Read(const config::Node& node, config::Diagnostics& diagnostics);

  // One of the names, where there are any, and all of the resource attributes.
  bool Matches(const otlp::Metric& metric, std::string_view resource_attributes) const;

 private:
  struct Word {
    std::string text;
    std::shared_ptr<const re2::RE2> pattern;  // Instead of the text; matches anywhere.
    bool Matches(std::string_view value) const;
  };
  static Word MakeWord(const std::string& text, bool is_regexp, config::MapReader& reader,
                       std::string_view key);

  std::vector<Word> names_;
  std::vector<std::pair<std::string, Word>> resources_;
};

// Both blocks together.
class MetricGate {
 public:
  // Reads `include` and `exclude`.
  static MetricGate Read(config::MapReader& reader, config::Diagnostics& diagnostics);
  bool Passes(const otlp::Metric& metric, std::string_view resource_attributes) const;
  bool is_open() const { return !include_.has_value() && !exclude_.has_value(); }

 private:
  std::optional<MetricMatcher> include_;
  std::optional<MetricMatcher> exclude_;
};

}  // namespace narthex::attributes
