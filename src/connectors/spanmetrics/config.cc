#include "connectors/spanmetrics/config.h"

#include <algorithm>
#include <iterator>

#include "connectors/spanmetrics/glob.h"
#include "model/duration.h"

namespace narthex::connectors {
namespace {

using config::MapReader;
using Dimensions = std::vector<SpanDimension>;

constexpr std::string_view kInstance = "collector.instance.id";
constexpr std::string_view kDelta = "AGGREGATION_TEMPORALITY_DELTA";
constexpr std::string_view kCumulative = "AGGREGATION_TEMPORALITY_CUMULATIVE";
constexpr double kDefaultBoundsMs[] = {2,   4,   6,    8,    10,   50,   100,   200,
                                       400, 800, 1000, 1400, 2000, 5000, 10000, 15000};
constexpr int64_t kCountMax = 1'000'000'000;
constexpr int64_t kExemplarsMax = 1'000;  // They wait in memory until the next flush.

// The attributes that every metric has, by name.
struct Common {
  std::string_view name;
  bool SpanMetricsConfig::* flag;
};
constexpr Common kCommon[] = {
    {"service.name", &SpanMetricsConfig::with_service},
    {"span.name", &SpanMetricsConfig::with_name},
    {"span.kind", &SpanMetricsConfig::with_kind},
    {"status.code", &SpanMetricsConfig::with_status},
    {kInstance, &SpanMetricsConfig::with_instance},
};

void ReadGlob(MapReader& reader, SpanDimension& dimension) {
  if (dimension.fallback.has_value()) reader.Report("default", "goes with a name only");
  if (auto glob = ParseGlob(dimension.name)) {
    dimension.glob = *std::move(glob);
  } else {
    reader.Report("glob", glob.error().message);
  }
}

Dimensions ReadDimensions(MapReader& reader, std::string_view key, std::string_view meaning,
                          config::Diagnostics& diagnostics) {
  Dimensions dimensions;
  const config::Node* list = reader.Take(key, meaning, "list");
  if (list == nullptr) return dimensions;
  for (const config::Node& item : list->items) {
    SpanDimension dimension;
    MapReader item_reader(item, diagnostics);
    const bool has_name =
        item_reader.Read("name", dimension.name, "Of the attribute; this or `glob`");
    const bool has_glob = item_reader.Read(
        "glob", dimension.name,
        "For all attributes whose names fit: `*`, `?`, `[a-z]`, `[!a-z]`, `{one,other}`");
    std::string fallback;
    if (item_reader.Read("default", fallback,
                         "The value where it is missing; without it, the attribute is left out")) {
      dimension.fallback = std::move(fallback);
    }
    item_reader.Finish();
    const bool is_there =
        std::ranges::find(dimensions, dimension.name, &SpanDimension::name) != dimensions.end();
    if (dimension.name.empty() || (has_name && has_glob)) {
      item_reader.Report("name", "one of name and glob must be given");
    } else if (is_there || (has_name && IsCommonDimension(dimension.name))) {
      item_reader.Report("name", fmt::format("duplicate dimension name {}", dimension.name));
    } else if (has_glob) {
      ReadGlob(item_reader, dimension);
    }
    dimensions.push_back(std::move(dimension));
  }
  for (const SpanDimension& glob : dimensions) {
    if (glob.glob == nullptr) continue;
    for (const SpanDimension& other : dimensions) {
      if (other.glob != nullptr || !re2::RE2::FullMatch(other.name, *glob.glob)) continue;
      reader.Report(key, fmt::format("\"{}\" fits the glob \"{}\"", other.name, glob.name));
    }
  }
  return dimensions;
}

// Those of all metrics, and more of one; of two with the same name the first counts.
Dimensions Joined(Dimensions all, const Dimensions& more) {
  for (const SpanDimension& dimension : more) {
    const auto is_like = [&](const SpanDimension& other) { return dimension.IsLike(other); };
    if (std::ranges::none_of(all, is_like)) all.push_back(dimension);
  }
  return all;
}

struct Range {
  int64_t least, most;
};

size_t ReadCount(MapReader& reader, std::string_view key, size_t fallback, Range range,
                 std::string_view meaning) {
  auto value = static_cast<int64_t>(fallback);
  reader.Read(key, value, meaning);
  if (value < range.least || value > range.most) {
    reader.Report(key, fmt::format("must be between {} and {}", range.least, range.most));
    return fallback;
  }
  return static_cast<size_t>(value);
}

std::chrono::nanoseconds ReadTime(MapReader& reader, std::string_view key,
                                  std::chrono::nanoseconds value, bool may_be_zero,
                                  std::string_view meaning) {
  int64_t ns = value.count();
  reader.ReadGoDuration(key, ns, meaning);
  if (ns < 0 || (ns == 0 && !may_be_zero)) {
    reader.Report(key, may_be_zero ? "must not be negative" : "must be a positive duration");
  }
  return std::chrono::nanoseconds(ns);
}

void ReadBounds(MapReader& reader, SpanMetricsConfig& config) {
  const double unit_ns = config.in_seconds ? 1e9 : 1e6;
  for (const double bound : kDefaultBoundsMs) {
    config.bounds.push_back(config.in_seconds ? bound / 1e3 : bound);
  }
  std::vector<std::string> texts;
  if (!reader.Read("buckets", texts, "Upper bounds, durations; without it, 16 from 2 ms to 15 s")) {
    return;
  }
  config.bounds.clear();
  for (const std::string& text : texts) {
    const base::Result<int64_t> ns = model::ParseGoDuration(text);
    if (!ns.has_value()) return reader.Report("buckets", ns.error().message);
    config.bounds.push_back(static_cast<double>(*ns) / unit_ns);
  }
  if (std::ranges::adjacent_find(config.bounds, std::greater_equal<>()) != config.bounds.end()) {
    reader.Report("buckets", "must rise");
  }
}

// Returns the dimensions that only durations have.
Dimensions ReadHistogram(const config::Node& node, config::Diagnostics& diagnostics,
                         SpanMetricsConfig& config) {
  MapReader reader(node, diagnostics);
  bool is_disabled = false;
  std::string unit = "ms";
  reader.Read("disable", is_disabled, "No durations");
  config.has_durations = !is_disabled;
  reader.Read("unit", unit, "Of durations: `ms` or `s`");
  config.in_seconds = unit == "s";
  if (unit != "ms" && unit != "s") reader.Report("unit", "must be ms or s");
  Dimensions dimensions = ReadDimensions(reader, "dimensions", "Of durations only", diagnostics);
  const config::Node* explicit_bounds =
      reader.TakeEvenNull("explicit", "Buckets with given bounds; what holds without either");
  const config::Node* exponential =
      reader.TakeEvenNull("exponential", "Buckets that follow the values");
  reader.Finish();
  const config::Node nothing;
  MapReader bounds_reader(explicit_bounds != nullptr ? *explicit_bounds : nothing, diagnostics);
  ReadBounds(bounds_reader, config);
  bounds_reader.Finish();
  if (exponential != nullptr) {
    MapReader exponential_reader(*exponential, diagnostics);
    config.exponential_buckets_max =
        ReadCount(exponential_reader, "max_size", 160, {2, 16'384}, "How many buckets at most");
    exponential_reader.Finish();
    if (explicit_bounds != nullptr) {
      reader.Report("exponential", "use either explicit or exponential buckets");
    }
  }
  return dimensions;
}

void ReadExcluded(MapReader& reader, const pipeline::CreateContext& context,
                  SpanMetricsConfig& config) {
  std::vector<std::string> names;
  reader.Read("exclude_dimensions", names,
              "Which of `service.name`, `span.name`, `span.kind`, `status.code` and "
              "`collector.instance.id` are left out");
  for (const std::string& name : names) {
    const auto* common = std::ranges::find(kCommon, name, &Common::name);
    if (common != std::end(kCommon)) {
      config.*common->flag = false;
    } else {
      context.host.logger.Warn("spanmetrics", "there is no such dimension to exclude",
                               {{"component", context.id.ToString()}, {"dimension", name}});
    }
  }
}

void ReadTemporality(MapReader& reader, SpanMetricsConfig& config) {
  std::string temporality(kCumulative);
  reader.Read("aggregation_temporality", temporality,
              "`AGGREGATION_TEMPORALITY_CUMULATIVE` or `AGGREGATION_TEMPORALITY_DELTA`");
  config.is_delta = temporality == kDelta;
  if (temporality != kDelta && temporality != kCumulative) {
    reader.Report("aggregation_temporality", fmt::format("must be {} or {}", kCumulative, kDelta));
  }
}

}  // namespace

bool IsCommonDimension(std::string_view name) {
  return std::ranges::find(kCommon, name, &Common::name) != std::end(kCommon);
}

SpanMetricsConfig SpanMetricsConfig::Read(const pipeline::CreateContext& context) {
  SpanMetricsConfig config;
  config::Diagnostics& diagnostics = context.diagnostics;
  MapReader reader(context.config, diagnostics);
  reader.Read("namespace", config.metric_namespace, "In front of the metrics' names, with a dot");
  const Dimensions all = ReadDimensions(
      reader, "dimensions", "Attributes of spans, or else of resources, that tell series apart",
      diagnostics);
  config.calls =
      Joined(all, ReadDimensions(reader, "calls_dimensions", "Of the calls only", diagnostics));
  ReadExcluded(reader, context, config);
  const config::Node* histogram = reader.Take("histogram", "Of durations");
  const config::Node nothing;
  config.durations =
      Joined(all, ReadHistogram(histogram != nullptr ? *histogram : nothing, diagnostics, config));
  ReadTemporality(reader, config);
  config.flush_interval = ReadTime(reader, "metrics_flush_interval", config.flush_interval, false,
                                   "How often metrics are sent on");
  config.resource_expiration =
      ReadTime(reader, "metrics_expiration", config.resource_expiration, true,
               "Resources without spans for so long are forgotten; `0s`: never");
  config.series_expiration = ReadTime(reader, "series_expiration", config.series_expiration, true,
                                      "The same for series; `0s`: never");
  if (const config::Node* node = reader.Take("exemplars", "Spans behind the numbers")) {
    MapReader exemplar_reader(*node, diagnostics);
    exemplar_reader.Read("enabled", config.has_exemplars, "Points have exemplars");
    config.exemplars_max = ReadCount(exemplar_reader, "max_per_data_point", config.exemplars_max,
                                     {1, kExemplarsMax}, "How many at most");
    exemplar_reader.Finish();
  }
  if (const config::Node* node = reader.Take("events", "A metric of the spans' events")) {
    MapReader event_reader(*node, diagnostics);
    event_reader.Read("enabled", config.has_events, "There is one, `events`");
    const Dimensions more =
        ReadDimensions(event_reader, "dimensions",
                       "Attributes of events that tell series apart; required", diagnostics);
    config.events = Joined(all, more);
    event_reader.Finish();
    if (config.has_events && more.empty()) {
      event_reader.Report("dimensions", "no dimensions configured for events");
    }
  }
  reader.Read("include_instrumentation_scope", config.scopes,
              "Names of scopes that attributes `span.instrumentation.scope.name` and `….version` "
              "are there for");
  reader.Read("enable_metrics_sampling_method", config.with_sampling_method,
              "An attribute `sampling.method`: `extrapolated` from a sampled span's trace state, "
              "or `counted`");
  config.series_max =
      ReadCount(reader, "aggregation_cardinality_limit", config.series_max, {0, kCountMax},
                "Series of a metric of a resource; further spans count in one with "
                "`otel.metric.overflow`. `0`: no limit but a million over all");
  config.resources_max =
      ReadCount(reader, "resource_metrics_cache_size", config.resources_max, {1, kCountMax},
                "Resources held at once; those longest without spans go");
  reader.Read("resource_metrics_key_attributes", config.identity,
              "Attributes that tell resources apart; without it, all");
  config.idle_deltas_max =
      ReadCount(reader, "metric_timestamp_cache_size", config.idle_deltas_max, {1, kCountMax},
                "Of deltas, the series that go on where the last point ended");
  reader.Read("add_resource_attributes", config.with_resource,
              "The resource's attributes go with its metrics, as upstream has it without the "
              "gate `connector.spanmetrics.excludeResourceMetrics`");
  context.WarnWithoutEffect(reader.TakeWithoutEffect({"dimensions_cache_size"}));
  reader.Finish();
  return config;
}

}  // namespace narthex::connectors
