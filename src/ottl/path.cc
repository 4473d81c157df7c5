#include "ottl/path.h"

namespace narthex::ottl {
namespace {

struct Row {
  std::string_view name;
  Place place;
};
// Source: opentelemetry-collector-contrib, pkg/ottl/contexts.
constexpr Row kRows[] = {
    {"attributes", {Level::kResource, Field::kAttributes, true, true}},
    {"schema_url", {Level::kResource, Field::kSchemaUrl, false, true}},
    {"dropped_attributes_count", {Level::kResource, Field::kDroppedAttributes, false, true}},
    {"attributes", {Level::kScope, Field::kAttributes, true, true}},
    {"schema_url", {Level::kScope, Field::kSchemaUrl, false, true}},
    {"dropped_attributes_count", {Level::kScope, Field::kDroppedAttributes, false, true}},
    {"name", {Level::kScope, Field::kName, false, true}},
    {"version", {Level::kScope, Field::kVersion, false, true}},
    {"name", {Level::kMetric, Field::kName, false, true}},
    {"description", {Level::kMetric, Field::kDescription, false, true}},
    {"unit", {Level::kMetric, Field::kUnit, false, true}},
    {"type", {Level::kMetric, Field::kType, false, false}},
    {"is_monotonic", {Level::kMetric, Field::kIsMonotonic, false, true}},
    {"aggregation_temporality", {Level::kMetric, Field::kTemporality, false, true}},
    {"metadata", {Level::kMetric, Field::kMetadata, true, true}},
    {"data_points", {Level::kMetric, Field::kDataPoints, false, false}},
    {"attributes", {Level::kDatapoint, Field::kAttributes, true, true}},
    {"value_double", {Level::kDatapoint, Field::kValueDouble, false, true}},
    {"value_int", {Level::kDatapoint, Field::kValueInt, false, true}},
    {"start_time", {Level::kDatapoint, Field::kStartTime, false, true}},
    {"start_time_unix_nano", {Level::kDatapoint, Field::kStartTime, false, true}},
    {"time", {Level::kDatapoint, Field::kTime, false, true}},
    {"time_unix_nano", {Level::kDatapoint, Field::kTime, false, true}},
    {"flags", {Level::kDatapoint, Field::kFlags, false, true}},
    {"count", {Level::kDatapoint, Field::kCount, false, true}},
    {"sum", {Level::kDatapoint, Field::kSum, false, true}},
    {"bucket_counts", {Level::kDatapoint, Field::kBucketCounts, false, true}},
    {"explicit_bounds", {Level::kDatapoint, Field::kExplicitBounds, false, true}},
    {"scale", {Level::kDatapoint, Field::kScale, false, true}},
    {"zero_count", {Level::kDatapoint, Field::kZeroCount, false, true}},
    {"positive.offset", {Level::kDatapoint, Field::kPositiveOffset, false, true}},
    {"positive.bucket_counts", {Level::kDatapoint, Field::kPositiveCounts, false, true}},
    {"negative.offset", {Level::kDatapoint, Field::kNegativeOffset, false, true}},
    {"negative.bucket_counts", {Level::kDatapoint, Field::kNegativeCounts, false, true}},
    {"quantile_values", {Level::kDatapoint, Field::kQuantiles, false, false}},
    {"filtered_attributes", {Level::kExemplar, Field::kAttributes, true, true}},
    {"double_value", {Level::kExemplar, Field::kValueDouble, false, true}},
    {"int_value", {Level::kExemplar, Field::kValueInt, false, true}},
    {"time", {Level::kExemplar, Field::kTime, false, true}},
    {"time_unix_nano", {Level::kExemplar, Field::kTime, false, true}},
    {"trace_id", {Level::kExemplar, Field::kTraceId, false, true}},
    {"span_id", {Level::kExemplar, Field::kSpanId, false, true}},
};

}  // namespace

std::optional<Level> LevelFromName(std::string_view name) {
  if (name == "resource") return Level::kResource;
  if (name == "scope" || name == "instrumentation_scope") return Level::kScope;
  if (name == "metric") return Level::kMetric;
  if (name == "datapoint") return Level::kDatapoint;
  if (name == "exemplar") return Level::kExemplar;
  return std::nullopt;
}

std::optional<Place> FindPlace(Level level, std::string_view name) {
  if (name == "cache") return Place{level, Field::kCache, true, true};
  for (const Row& row : kRows) {
    if (row.place.level == level && row.name == name) return row.place;
  }
  return std::nullopt;
}

}  // namespace narthex::ottl
