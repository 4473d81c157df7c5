#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace narthex::ottl {

// The level of telemetry that a condition or statement speaks about, outermost first.
enum class Level : uint8_t { kResource, kScope, kMetric, kDatapoint, kExemplar };

// "resource", "scope" (also "instrumentation_scope"), "metric", "datapoint" and "exemplar".
std::optional<Level> LevelFromName(std::string_view name);

enum class Field : uint8_t {
  kAttributes,
  kSchemaUrl,
  kDroppedAttributes,
  kName,
  kVersion,
  kDescription,
  kUnit,
  kType,
  kIsMonotonic,
  kTemporality,
  kMetadata,
  kDataPoints,
  kValueDouble,
  kValueInt,
  kStartTime,
  kTime,
  kFlags,
  kCount,
  kSum,
  kBucketCounts,
  kExplicitBounds,
  kScale,
  kZeroCount,
  kPositiveOffset,
  kPositiveCounts,
  kNegativeOffset,
  kNegativeCounts,
  kQuantiles,
  kTraceId,
  kSpanId,
  kCache,  // What statements keep between them; at any level.
};

// What a path names, without its keys. A value.
struct Place {
  Level level = Level::kMetric;
  Field field = Field::kName;
  bool is_map = false;       // May be followed by keys.
  bool is_settable = false;  // Not the type of a metric, nor its points.
};

// "value_double", "positive.offset" at that level; nullopt for no field.
std::optional<Place> FindPlace(Level level, std::string_view name);

}  // namespace narthex::ottl
