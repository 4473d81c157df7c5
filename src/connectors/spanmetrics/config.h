#pragma once

#include <re2/re2.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/factory.h"

namespace narthex::connectors {

// An attribute of spans, or else of their resources, that metrics are told apart by, or all whose
// names fit a pattern. A value.
struct SpanDimension {
  std::string name;                     // Or the glob.
  std::optional<std::string> fallback;  // Where neither has it; without one it is left out.
  std::shared_ptr<const re2::RE2> glob = nullptr;  // Null: by name.

  // Whether both stand for the same attributes.
  bool IsLike(const SpanDimension& other) const {
    return name == other.name && (glob == nullptr) == (other.glob == nullptr);
  }
};

// Whether every metric has an attribute of that name, or had, were it not excluded.
bool IsCommonDimension(std::string_view name);

// What the connector makes of spans. A value.
struct SpanMetricsConfig {
  std::string metric_namespace = "traces.span.metrics";
  std::vector<SpanDimension> calls, durations, events;  // Each with those of all metrics.
  // Which of the attributes that every metric has are there.
  bool with_service = true, with_name = true, with_kind = true, with_status = true;
  bool with_instance = true;  // The collector's.
  bool with_sampling_method = false;
  std::vector<std::string> scopes;  // Names of those that are shown.

  bool has_durations = true;
  bool in_seconds = false;
  size_t exponential_buckets_max = 0;  // 0: explicit bounds.
  std::vector<double> bounds;          // In the unit; ascending.
  bool has_events = false;

  bool is_delta = false;
  std::chrono::nanoseconds flush_interval{std::chrono::seconds(60)};
  std::chrono::nanoseconds resource_expiration{0}, series_expiration{0};  // 0: never.
  bool has_exemplars = false;
  size_t exemplars_max = 5;           // Of a point.
  size_t series_max = 0;              // Of a metric of a resource; 0: any number.
  size_t resources_max = 1'000;       // Held at once.
  size_t idle_deltas_max = 1'000;     // Series whose last time is remembered.
  bool with_resource = true;          // The resource's attributes go with its metrics.
  std::vector<std::string> identity;  // Attributes that tell resources apart; empty: all.

  // Reports to the context's diagnostics what is wrong.
  static SpanMetricsConfig Read(const pipeline::CreateContext& context);
};

}  // namespace narthex::connectors
