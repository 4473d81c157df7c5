#include "ottl/scene.h"

#include <algorithm>

namespace narthex::ottl {
namespace {

using base::Code;
using base::Fail;
using otlp::Any;
using otlp::MetricKind;
using otlp::TreePoint;

Any FromCount(uint64_t count) { return Any(static_cast<int64_t>(count)); }

Any FromCounts(const std::vector<uint64_t>& counts) {
  Any::Array array;
  for (const uint64_t count : counts) array.push_back(FromCount(count));
  return Any(std::move(array));
}

Any FromBounds(const std::vector<double>& bounds) {
  Any::Array array;
  for (const double bound : bounds) array.emplace_back(bound);
  return Any(std::move(array));
}

// The points of a batch are looked at through the same code as those of a tree where a field is
// rarely asked for; the frequent ones are read in place.
Any GetNumber(const otlp::NumberPoint& point, Field field) {
  using Type = otlp::NumberPoint::Type;
  switch (field) {
    case Field::kValueDouble:
      return point.type == Type::kDouble ? Any(point.Double()) : Any();
    case Field::kValueInt:
      return point.type == Type::kInt ? Any(point.Int()) : Any();
    default:
      return {};
  }
}

template <class Point>
Any GetBuckets(const Point& point, Field field) {
  if constexpr (std::is_same_v<Point, otlp::HistogramPoint>) {
    Any::Array array;
    if (field == Field::kBucketCounts) {
      for (size_t i = 0; i < point.bucket_counts.size(); ++i) {
        array.push_back(FromCount(point.bucket_counts.Uint(i)));
      }
      return Any(std::move(array));
    }
    if (field == Field::kExplicitBounds) {
      for (size_t i = 0; i < point.explicit_bounds.size(); ++i) {
        array.emplace_back(point.explicit_bounds.Double(i));
      }
      return Any(std::move(array));
    }
  } else if constexpr (std::is_same_v<Point, otlp::ExponentialHistogramPoint>) {
    const auto counts = [](const otlp::ExponentialBuckets& buckets) {
      Any::Array array;
      otlp::internal::Cursor cursor(buckets.counts);
      while (!cursor.empty()) array.push_back(FromCount(cursor.ReadVarint()));
      return Any(std::move(array));
    };
    switch (field) {
      case Field::kScale:
        return Any(int64_t{point.scale});
      case Field::kZeroCount:
        return FromCount(point.zero_count);
      case Field::kPositiveOffset:
        return Any(int64_t{point.positive.offset});
      case Field::kNegativeOffset:
        return Any(int64_t{point.negative.offset});
      case Field::kPositiveCounts:
        return counts(point.positive);
      case Field::kNegativeCounts:
        return counts(point.negative);
      default:
        break;
    }
  }
  return {};
}

template <class Point>
Any GetOfPoint(const Point& point, Field field) {
  switch (field) {
    case Field::kAttributes:
      return Any(otlp::AttributesFrom(point.attributes));
    case Field::kStartTime:
      return FromCount(point.start_ns);
    case Field::kTime:
      return FromCount(point.time_ns);
    case Field::kFlags:
      return FromCount(point.flags);
    default:
      break;
  }
  if constexpr (std::is_same_v<Point, otlp::NumberPoint>) {
    return GetNumber(point, field);
  } else {
    if (field == Field::kCount) return FromCount(point.count);
    if (field == Field::kSum) {
      if constexpr (std::is_same_v<Point, otlp::SummaryPoint>) {
        return Any(point.sum);
      } else {
        return point.optionals.has_sum ? Any(point.optionals.sum) : Any();
      }
    }
    return GetBuckets(point, field);
  }
}

Any QuantilesOf(const TreePoint& point) {
  Any::Array array;
  for (const auto& [quantile, value] : point.quantiles) {
    array.emplace_back(Any::Map{{"quantile", Any(quantile)}, {"value", Any(value)}});
  }
  return Any(std::move(array));
}

bool HasBuckets(MetricKind kind) { return kind == MetricKind::kHistogram; }
bool IsExponential(MetricKind kind) { return kind == MetricKind::kExponentialHistogram; }
bool IsNumber(MetricKind kind) { return kind == MetricKind::kGauge || kind == MetricKind::kSum; }

// Whether points of that kind have the field.
bool Applies(Field field, MetricKind kind) {
  switch (field) {
    case Field::kValueDouble:
    case Field::kValueInt:
      return IsNumber(kind);
    case Field::kCount:
    case Field::kSum:
      return !IsNumber(kind);
    case Field::kBucketCounts:
    case Field::kExplicitBounds:
      return HasBuckets(kind);
    case Field::kScale:
    case Field::kZeroCount:
    case Field::kPositiveOffset:
    case Field::kPositiveCounts:
    case Field::kNegativeOffset:
    case Field::kNegativeCounts:
      return IsExponential(kind);
    case Field::kQuantiles:
      return kind == MetricKind::kSummary;
    default:
      return true;
  }
}

Any GetTreePoint(const TreePoint& point, Field field) {
  using Type = otlp::NumberPoint::Type;
  switch (field) {
    case Field::kAttributes:
      return Any(point.attributes);
    case Field::kValueDouble:
      return point.type == Type::kDouble ? Any(point.real) : Any();
    case Field::kValueInt:
      return point.type == Type::kInt ? Any(point.whole) : Any();
    case Field::kStartTime:
      return FromCount(point.start_ns);
    case Field::kTime:
      return FromCount(point.time_ns);
    case Field::kFlags:
      return FromCount(point.flags);
    case Field::kCount:
      return FromCount(point.count);
    case Field::kSum:
      return point.optionals.has_sum ? Any(point.optionals.sum) : Any();
    case Field::kBucketCounts:
      return FromCounts(point.bucket_counts);
    case Field::kExplicitBounds:
      return FromBounds(point.explicit_bounds);
    case Field::kScale:
      return Any(int64_t{point.scale});
    case Field::kZeroCount:
      return FromCount(point.zero_count);
    case Field::kPositiveOffset:
      return Any(int64_t{point.positive.offset});
    case Field::kPositiveCounts:
      return FromCounts(point.positive.counts);
    case Field::kNegativeOffset:
      return Any(int64_t{point.negative.offset});
    case Field::kNegativeCounts:
      return FromCounts(point.negative.counts);
    case Field::kQuantiles:
      return QuantilesOf(point);
    default:
      return {};
  }
}

// Takes an Any apart for Set; the first value of the wrong type is remembered.
class Taker {
 public:
  explicit Taker(Any value) : value_(std::move(value)) {}

  std::string Text() {
    if (auto* text = value_.As<std::string>()) return std::move(*text);
    return Wrong("text"), std::string();
  }
  bool Bool() {
    if (const auto* boolean = value_.As<bool>()) return *boolean;
    return Wrong("true or false"), false;
  }
  int64_t Int() { return IntOf(value_); }
  double Double() { return DoubleOf(value_); }
  template <class Integer>
  Integer Ranged() {
    const int64_t value = Int();
    if (!std::in_range<Integer>(value)) Wrong("a number in range");
    return static_cast<Integer>(value);
  }
  std::vector<uint64_t> Counts() {
    std::vector<uint64_t> out;
    for (const Any& item : List()) out.push_back(static_cast<uint64_t>(IntOf(item)));
    return out;
  }
  std::vector<double> Doubles() {
    std::vector<double> out;
    for (const Any& item : List()) out.push_back(DoubleOf(item));
    return out;
  }
  Any::Map Map() {
    if (auto* map = value_.As<Any::Map>()) return std::move(*map);
    return Wrong("a map"), Any::Map();
  }
  // All zeros: unknown, which is empty.
  std::string Id(size_t size) {
    auto* bytes = value_.As<Any::Bytes>();
    if (bytes == nullptr || bytes->data.size() != size) {
      return Wrong(size == 16 ? "a TraceID" : "a SpanID"), std::string();
    }
    return bytes->data.find_first_not_of('\0') == std::string::npos ? "" : std::move(bytes->data);
  }
  bool ok() const { return wanted_.empty(); }
  base::Status status() const {
    if (ok()) return {};
    return Fail(Code::kInvalidArgument, "set: expected {}", wanted_);
  }

 private:
  void Wrong(std::string_view wanted) {
    if (wanted_.empty()) wanted_ = wanted;
  }
  int64_t IntOf(const Any& value) {
    if (const auto* whole = value.As<int64_t>()) return *whole;
    return Wrong("an integer"), 0;
  }
  double DoubleOf(const Any& value) {
    if (const auto* real = value.As<double>()) return *real;
    if (const auto* whole = value.As<int64_t>()) return static_cast<double>(*whole);
    return Wrong("a number"), 0;
  }
  const Any::Array& List() {
    static const Any::Array kEmpty;
    if (const auto* array = value_.As<Any::Array>()) return *array;
    return Wrong("a list"), kEmpty;
  }

  Any value_;
  std::string_view wanted_;
};

void SetOfMetric(otlp::TreeMetric& metric, Field field, Taker& value) {
  switch (field) {
    case Field::kName:
      if (std::string text = value.Text(); value.ok()) metric.name = std::move(text);
      return;
    case Field::kDescription:
      if (std::string text = value.Text(); value.ok()) metric.description = std::move(text);
      return;
    case Field::kUnit:
      if (std::string text = value.Text(); value.ok()) metric.unit = std::move(text);
      return;
    case Field::kIsMonotonic:
      if (const bool is = value.Bool(); value.ok()) metric.is_monotonic = is;
      return;
    case Field::kTemporality:
      if (const int64_t number = value.Int(); value.ok() && number >= 0 && number <= 2) {
        metric.temporality = static_cast<otlp::Temporality>(number);
      }
      return;
    default:
      if (Any::Map map = value.Map(); value.ok()) metric.metadata = std::move(map);
  }
}

void SetOfPoint(TreePoint& point, Field field, Taker& value) {
  const auto set = [&](auto& member, auto taken) {
    if (value.ok()) member = std::move(taken);
  };
  switch (field) {
    case Field::kAttributes:
      return set(point.attributes, value.Map());
    case Field::kValueDouble:
      if (const double real = value.Double(); value.ok()) point.SetNumber(real);
      return;
    case Field::kValueInt:
      if (const int64_t whole = value.Int(); value.ok()) point.SetNumber(whole);
      return;
    case Field::kStartTime:
      return set(point.start_ns, value.Ranged<uint64_t>());
    case Field::kTime:
      return set(point.time_ns, value.Ranged<uint64_t>());
    case Field::kFlags:
      return set(point.flags, value.Ranged<uint32_t>());
    case Field::kCount:
      return set(point.count, value.Ranged<uint64_t>());
    case Field::kSum:
      set(point.optionals.sum, value.Double());
      point.optionals.has_sum |= value.ok();
      return;
    case Field::kBucketCounts:
      return set(point.bucket_counts, value.Counts());
    case Field::kExplicitBounds:
      return set(point.explicit_bounds, value.Doubles());
    case Field::kScale:
      return set(point.scale, value.Ranged<int32_t>());
    case Field::kZeroCount:
      return set(point.zero_count, value.Ranged<uint64_t>());
    case Field::kPositiveOffset:
      return set(point.positive.offset, value.Ranged<int32_t>());
    case Field::kPositiveCounts:
      return set(point.positive.counts, value.Counts());
    case Field::kNegativeOffset:
      return set(point.negative.offset, value.Ranged<int32_t>());
    case Field::kNegativeCounts:
      return set(point.negative.counts, value.Counts());
    default:
      return;
  }
}

constexpr size_t kTraceIdBytes = 16, kSpanIdBytes = 8;

// One that is unknown is all zeros, as the official one has it.
Any FromId(std::string id, size_t size) {
  if (id.empty()) id.resize(size);
  return Any(Any::Bytes{std::move(id)});
}

Any GetOfExemplar(const otlp::TreeExemplar& exemplar, Field field) {
  switch (field) {
    case Field::kTime:
      return FromCount(exemplar.time_ns);
    case Field::kValueDouble:
      if (const auto* real = std::get_if<double>(&exemplar.value)) return Any(*real);
      return {};
    case Field::kValueInt:
      if (const auto* whole = std::get_if<int64_t>(&exemplar.value)) return Any(*whole);
      return {};
    case Field::kTraceId:
      return FromId(exemplar.trace_id, kTraceIdBytes);
    case Field::kSpanId:
      return FromId(exemplar.span_id, kSpanIdBytes);
    default:
      return {};
  }
}

void SetOfExemplar(otlp::TreeExemplar& exemplar, Field field, Taker& value) {
  const auto set = [&](auto& member, auto taken) {
    if (value.ok()) member = std::move(taken);
  };
  switch (field) {
    case Field::kTime:
      return set(exemplar.time_ns, value.Ranged<uint64_t>());
    case Field::kValueDouble:
      return set(exemplar.value, value.Double());
    case Field::kValueInt:
      return set(exemplar.value, value.Int());
    case Field::kTraceId:
      return set(exemplar.trace_id, value.Id(kTraceIdBytes));
    case Field::kSpanId:
      return set(exemplar.span_id, value.Id(kSpanIdBytes));
    default:
      return;
  }
}

Any KeyOf(const otlp::AttributeMap* map, std::string_view key) {
  if (map == nullptr) return {};
  const Any* found = otlp::Find(*map, key);
  return found != nullptr ? *found : Any();
}

}  // namespace

int64_t TypeNumber(MetricKind kind) {
  switch (kind) {
    case MetricKind::kNone:
      return 0;
    case MetricKind::kGauge:
      return 1;
    case MetricKind::kSum:
      return 2;
    case MetricKind::kHistogram:
      return 3;
    case MetricKind::kExponentialHistogram:
      return 4;
    case MetricKind::kSummary:
      return 5;
  }
  return 0;
}

Any Subject::GetKey(const Place& place, std::string_view key) const {
  std::string_view fields;
  if (place.field == Field::kMetadata) {
    fields = metric->metadata;
  } else if (place.field == Field::kAttributes) {
    switch (place.level) {
      case Level::kResource:
        fields = resource->attributes;
        break;
      case Level::kScope:
        fields = scope->attributes;
        break;
      case Level::kExemplar:
        return {};
      default:
        fields = otlp::AttributesOf(point);
    }
  }
  const auto found = otlp::FindAttribute(fields, key);
  return found.has_value() ? Any::From(*found) : Any();
}

Any Subject::Get(const Place& place) const {
  switch (place.level) {
    case Level::kResource:
      if (place.field == Field::kAttributes) {
        return Any(otlp::AttributesFrom(resource->attributes));
      }
      return place.field == Field::kSchemaUrl ? Any(resource->schema_url) : Any();
    case Level::kScope:
      if (place.field == Field::kAttributes) return Any(otlp::AttributesFrom(scope->attributes));
      if (place.field == Field::kSchemaUrl) return Any(scope->schema_url);
      if (place.field == Field::kVersion) return Any(scope->version);
      return place.field == Field::kName ? Any(scope->name) : Any();
    case Level::kMetric:
      break;
    case Level::kDatapoint:
      return std::visit(
          [&](const auto& ref) -> Any {
            if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(ref)>>) {
              return GetOfPoint(*ref, place.field);
            } else {
              return {};
            }
          },
          point);
    case Level::kExemplar:
      return {};
  }
  switch (place.field) {
    case Field::kName:
      return Any(metric->name);
    case Field::kDescription:
      return Any(metric->description);
    case Field::kUnit:
      return Any(metric->unit);
    case Field::kType:
      return Any(TypeNumber(metric->kind));
    case Field::kIsMonotonic:
      return Any(metric->is_monotonic);
    case Field::kTemporality:
      return Any(static_cast<int64_t>(metric->temporality));
    case Field::kMetadata:
      return Any(otlp::AttributesFrom(metric->metadata));
    case Field::kDataPoints:
      return Any(Any::Array(metric->point_count));
    default:
      return {};
  }
}

bool Subject::AnyPointHas(std::string_view key, const Any* value) const {
  const auto any = [&](const auto& points) {
    return std::ranges::any_of(points, [&](const auto& each) {
      const auto found = otlp::FindAttribute(each.attributes, key);
      return found.has_value() && (value == nullptr || Any::From(*found) == *value);
    });
  };
  switch (metric->kind) {
    case MetricKind::kNone:
      return false;
    case MetricKind::kGauge:
    case MetricKind::kSum:
      return any(batch->NumbersOf(*metric));
    case MetricKind::kHistogram:
      return any(batch->HistogramsOf(*metric));
    case MetricKind::kExponentialHistogram:
      return any(batch->ExponentialsOf(*metric));
    case MetricKind::kSummary:
      return any(batch->SummariesOf(*metric));
  }
  return false;
}

otlp::AttributeMap* Stage::MapAt(const Place& place) const {
  if (place.field == Field::kCache) return cache;
  if (place.field == Field::kMetadata) return &metric->metadata;
  if (place.field != Field::kAttributes) return nullptr;
  switch (place.level) {
    case Level::kResource:
      return &resource->attributes;
    case Level::kScope:
      return &scope->attributes;
    case Level::kMetric:
      return nullptr;
    case Level::kDatapoint:
      return &point->attributes;
    case Level::kExemplar:
      return &exemplar->attributes;
  }
  return nullptr;
}

Any Stage::GetKey(const Place& place, std::string_view key) const {
  return KeyOf(MapAt(place), key);
}

Any Stage::Get(const Place& place) const {
  if (const otlp::AttributeMap* map = MapAt(place)) return Any(*map);
  switch (place.level) {
    case Level::kResource:
      if (place.field == Field::kSchemaUrl) return Any(resource->schema_url);
      return Any(int64_t{resource->dropped_attributes});
    case Level::kScope:
      if (place.field == Field::kSchemaUrl) return Any(scope->schema_url);
      if (place.field == Field::kVersion) return Any(scope->version);
      if (place.field == Field::kName) return Any(scope->name);
      return Any(int64_t{scope->dropped_attributes});
    case Level::kMetric:
      break;
    case Level::kDatapoint:
      return Applies(place.field, metric->kind) ? GetTreePoint(*point, place.field) : Any();
    case Level::kExemplar:
      return GetOfExemplar(*exemplar, place.field);
  }
  switch (place.field) {
    case Field::kName:
      return Any(metric->name);
    case Field::kDescription:
      return Any(metric->description);
    case Field::kUnit:
      return Any(metric->unit);
    case Field::kType:
      return Any(TypeNumber(metric->kind));
    case Field::kIsMonotonic:
      return Any(metric->is_monotonic);
    case Field::kTemporality:
      return Any(static_cast<int64_t>(metric->temporality));
    case Field::kDataPoints:
      return Any(Any::Array(metric->points.size()));
    default:
      return {};
  }
}

bool Stage::AnyPointHas(std::string_view key, const Any* value) const {
  return std::ranges::any_of(metric->points, [&](const TreePoint& each) {
    const Any* found = otlp::Find(each.attributes, key);
    return found != nullptr && (value == nullptr || *found == *value);
  });
}

base::Status Stage::Set(const Place& place, Any value) {
  Taker taker(std::move(value));
  if (otlp::AttributeMap* map = MapAt(place)) {
    if (Any::Map taken = taker.Map(); taker.ok()) *map = std::move(taken);
    return taker.status();
  }
  switch (place.level) {
    case Level::kResource:
      if (place.field == Field::kSchemaUrl) {
        if (std::string text = taker.Text(); taker.ok()) resource->schema_url = std::move(text);
      } else if (const auto count = taker.Ranged<uint32_t>(); taker.ok()) {
        resource->dropped_attributes = count;
      }
      break;
    case Level::kScope: {
      if (place.field == Field::kDroppedAttributes) {
        if (const auto count = taker.Ranged<uint32_t>(); taker.ok()) {
          scope->dropped_attributes = count;
        }
        break;
      }
      std::string& member = place.field == Field::kName      ? scope->name
                            : place.field == Field::kVersion ? scope->version
                                                             : scope->schema_url;
      if (std::string text = taker.Text(); taker.ok()) member = std::move(text);
      break;
    }
    case Level::kMetric:
      SetOfMetric(*metric, place.field, taker);
      break;
    case Level::kDatapoint:
      // As the official one does: a field that this kind lacks is passed over.
      if (Applies(place.field, metric->kind)) SetOfPoint(*point, place.field, taker);
      break;
    case Level::kExemplar:
      SetOfExemplar(*exemplar, place.field, taker);
      break;
  }
  return taker.status();
}

}  // namespace narthex::ottl
