#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "otlp/batch.h"

namespace narthex::otlp {

class Writer;

// A batch taken apart, for stages that change more than attributes: every value is owned and may be
// assigned. References to resources, scopes and metrics stay good while others are added. Fields
// that this program does not know are dropped. Values; one thread at a time.

// An attribute's value, or any other that a transformation works with.
struct Any {
  struct Bytes {
    std::string data;
    bool operator==(const Bytes&) const = default;
  };
  using Array = std::vector<Any>;
  using Map = std::vector<std::pair<std::string, Any>>;  // In order; keys unique.

  std::variant<std::monostate, std::string, bool, int64_t, double, Array, Map, Bytes> data;

  Any() = default;
  Any(std::string text) : data(std::move(text)) {}
  Any(std::string_view text) : data(std::string(text)) {}
  Any(const char* text) : data(std::string(text)) {}
  Any(bool value) : data(value) {}
  Any(int64_t value) : data(value) {}
  Any(double value) : data(value) {}
  Any(Array value) : data(std::move(value)) {}
  Any(Map value) : data(std::move(value)) {}
  Any(Bytes value) : data(std::move(value)) {}

  bool is_nil() const { return std::holds_alternative<std::monostate>(data); }
  template <class T>
  const T* As() const {
    return std::get_if<T>(&data);
  }
  template <class T>
  T* As() {
    return std::get_if<T>(&data);
  }
  bool operator==(const Any&) const = default;

  static Any From(const AnyValue& value);
  // The bytes of an AnyValue.
  std::string Encode() const;
};

// The string form that labels take, as Text(AnyValue) makes it; of nil the empty string.
std::string Text(const Any& value);

using AttributeMap = Any::Map;
AttributeMap AttributesFrom(std::string_view fields);
const Any* Find(const AttributeMap& map, std::string_view key);
Any* Find(AttributeMap& map, std::string_view key);
void Put(AttributeMap& map, std::string_view key, Any value);
void Erase(AttributeMap& map, std::string_view key);
// As KeyValue messages under that field. What nests deeper than the decoder takes becomes nil.
void PutAttributes(Writer& writer, uint32_t field, const AttributeMap& attributes);

// A data point of any kind; the members of the other kinds stay as they are made.
struct TreePoint {
  struct Buckets {
    int32_t offset = 0;
    std::vector<uint64_t> counts;
    bool operator==(const Buckets&) const = default;
  };
  AttributeMap attributes;
  uint64_t start_ns = 0;
  uint64_t time_ns = 0;
  uint32_t flags = 0;
  NumberPoint::Type type = NumberPoint::Type::kNone;
  int64_t whole = 0;  // With type kInt.
  double real = 0;    // With type kDouble.
  uint64_t count = 0;
  Optionals optionals;  // Of a summary the sum.
  std::vector<uint64_t> bucket_counts;
  std::vector<double> explicit_bounds;
  int32_t scale = 0;
  uint64_t zero_count = 0;
  double zero_threshold = 0;
  Buckets positive, negative;
  std::vector<std::pair<double, double>> quantiles;  // Quantile and value.
  std::vector<std::string> exemplars;                // Exemplar messages.

  double Number() const {
    return type == NumberPoint::Type::kInt ? static_cast<double>(whole) : real;
  }
  void SetNumber(int64_t value) {
    type = NumberPoint::Type::kInt;
    whole = value;
  }
  void SetNumber(double value) {
    type = NumberPoint::Type::kDouble;
    real = value;
  }
  bool is_stale() const { return (flags & kNoRecordedValue) != 0; }
};

struct TreeMetric {
  std::string name, description, unit;
  AttributeMap metadata;
  MetricKind kind = MetricKind::kNone;
  Temporality temporality = Temporality::kUnspecified;
  bool is_monotonic = false;
  std::vector<TreePoint> points;
};

struct TreeScope {
  std::string name, version, schema_url;
  AttributeMap attributes;
  uint32_t dropped_attributes = 0;
  std::deque<TreeMetric> metrics;
};

struct TreeResource {
  AttributeMap attributes;
  std::string schema_url;
  uint32_t dropped_attributes = 0;
  std::string entity_refs;  // Fields, as received.
  std::deque<TreeScope> scopes;
};

struct Tree {
  std::deque<TreeResource> resources;

  static Tree From(const Batch& batch);
  // Metrics without points, scopes without metrics and resources without scopes are left out.
  Batch ToBatch() const;
  size_t point_count() const;
};

}  // namespace narthex::otlp
