#include "otlp/tree.h"

#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "otlp/decode.h"
#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

using internal::Cursor;
using internal::Tag;
using internal::WireType;

// The fields of `message` with that number, each with its tag.
std::string FieldsOf(std::string_view message, uint32_t field) {
  std::string out;
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    const char* begin = cursor.field();
    cursor.Skip(tag);
    if (tag >> 3 == field) out.append(begin, cursor.at());
  }
  return out;
}

std::vector<std::string> MessagesOf(std::string_view message, uint32_t field) {
  std::vector<std::string> out;
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == Tag(field, WireType::kBytes)) {
      out.emplace_back(cursor.ReadBytes());
    } else {
      cursor.Skip(tag);
    }
  }
  return out;
}

uint32_t VarintOf(std::string_view message, uint32_t field) {
  uint64_t value = 0;
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    if (tag == Tag(field, WireType::kVarint)) {
      value = cursor.ReadVarint();
    } else {
      cursor.Skip(tag);
    }
  }
  return static_cast<uint32_t>(value);
}

TreePoint::Buckets BucketsFrom(const ExponentialBuckets& buckets) {
  TreePoint::Buckets out{.offset = buckets.offset, .counts = {}};
  Cursor cursor(buckets.counts);
  while (!cursor.empty()) out.counts.push_back(cursor.ReadVarint());
  return out;
}

template <class Point>
TreePoint Common(const Point& point, uint32_t exemplar_field) {
  TreePoint out;
  out.attributes = AttributesFrom(point.attributes);
  out.start_ns = point.start_ns;
  out.time_ns = point.time_ns;
  out.flags = point.flags;
  if (exemplar_field != 0) out.exemplars = MessagesOf(point.raw, exemplar_field);
  return out;
}

TreePoint PointFrom(const NumberPoint& point) {
  TreePoint out = Common(point, 5);
  out.type = point.type;
  if (point.type == NumberPoint::Type::kInt) out.whole = point.Int();
  if (point.type == NumberPoint::Type::kDouble) out.real = point.Double();
  return out;
}

TreePoint PointFrom(const HistogramPoint& point) {
  TreePoint out = Common(point, 8);
  out.count = point.count;
  out.optionals = point.optionals;
  for (size_t i = 0; i < point.bucket_counts.size(); ++i) {
    out.bucket_counts.push_back(point.bucket_counts.Uint(i));
  }
  for (size_t i = 0; i < point.explicit_bounds.size(); ++i) {
    out.explicit_bounds.push_back(point.explicit_bounds.Double(i));
  }
  return out;
}

TreePoint PointFrom(const ExponentialHistogramPoint& point) {
  TreePoint out = Common(point, 11);
  out.count = point.count;
  out.optionals = point.optionals;
  out.scale = point.scale;
  out.zero_count = point.zero_count;
  out.zero_threshold = point.zero_threshold;
  out.positive = BucketsFrom(point.positive);
  out.negative = BucketsFrom(point.negative);
  return out;
}

TreePoint PointFrom(const SummaryPoint& point) {
  TreePoint out = Common(point, 0);
  out.count = point.count;
  out.optionals.has_sum = true;
  out.optionals.sum = point.sum;
  for (const std::string& message : MessagesOf(point.quantiles, 6)) {
    double quantile = 0, value = 0;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == Tag(1, WireType::kFixed64)) {
        quantile = std::bit_cast<double>(cursor.ReadFixed64());
      } else if (tag == Tag(2, WireType::kFixed64)) {
        value = std::bit_cast<double>(cursor.ReadFixed64());
      } else {
        cursor.Skip(tag);
      }
    }
    out.quantiles.emplace_back(quantile, value);
  }
  return out;
}

TreeMetric MetricFrom(const Batch& batch, const Metric& metric) {
  TreeMetric out{.name = std::string(metric.name),
                 .description = std::string(metric.description),
                 .unit = std::string(metric.unit),
                 .metadata = AttributesFrom(metric.metadata),
                 .kind = metric.kind,
                 .temporality = metric.temporality,
                 .is_monotonic = metric.is_monotonic,
                 .points = {}};
  out.points.reserve(metric.point_count);
  const auto copy = [&](const auto points) {
    for (const auto& point : points) out.points.push_back(PointFrom(point));
  };
  switch (metric.kind) {
    case MetricKind::kNone:
      break;
    case MetricKind::kGauge:
    case MetricKind::kSum:
      copy(batch.NumbersOf(metric));
      break;
    case MetricKind::kHistogram:
      copy(batch.HistogramsOf(metric));
      break;
    case MetricKind::kExponentialHistogram:
      copy(batch.ExponentialsOf(metric));
      break;
    case MetricKind::kSummary:
      copy(batch.SummariesOf(metric));
      break;
  }
  return out;
}

void PutAny(Writer& writer, const Any& value, size_t depth);

void PutPair(Writer& writer, uint32_t field, const std::pair<std::string, Any>& pair,
             size_t depth) {
  const Writer::Mark mark = writer.Begin(field);
  writer.Bytes(1, pair.first);
  const Writer::Mark value = writer.Begin(2);
  PutAny(writer, pair.second, depth + 1);
  writer.End(value);
  writer.End(mark);
}

// What nests deeper than the decoder takes becomes nil.
void PutAny(Writer& writer, const Any& value, size_t depth) {
  if (depth + 2 >= kValueDepthMax) return;
  if (const auto* text = value.As<std::string>()) {
    writer.Bytes(1, *text);
  } else if (const auto* boolean = value.As<bool>()) {
    writer.Varint(2, *boolean ? 1 : 0);
  } else if (const auto* whole = value.As<int64_t>()) {
    writer.Varint(3, static_cast<uint64_t>(*whole));
  } else if (const auto* real = value.As<double>()) {
    writer.Double(4, *real);
  } else if (const auto* array = value.As<Any::Array>()) {
    const Writer::Mark mark = writer.Begin(5);
    for (const Any& item : *array) {
      const Writer::Mark inner = writer.Begin(1);
      PutAny(writer, item, depth + 1);
      writer.End(inner);
    }
    writer.End(mark);
  } else if (const auto* map = value.As<Any::Map>()) {
    const Writer::Mark mark = writer.Begin(6);
    for (const auto& pair : *map) PutPair(writer, 1, pair, depth);
    writer.End(mark);
  } else if (const auto* bytes = value.As<Any::Bytes>()) {
    writer.Bytes(7, bytes->data);
  }
}

}  // namespace

void PutAttributes(Writer& writer, uint32_t field, const AttributeMap& attributes) {
  for (const auto& pair : attributes) PutPair(writer, field, pair, 0);
}

namespace {

void PutTimes(Writer& writer, const TreePoint& point) {
  if (point.start_ns != 0) writer.Fixed64(2, point.start_ns);
  if (point.time_ns != 0) writer.Fixed64(3, point.time_ns);
}

void PutExemplars(Writer& writer, uint32_t field, const TreePoint& point) {
  for (const std::string& exemplar : point.exemplars) writer.Bytes(field, exemplar);
}

void PutNumber(Writer& writer, const TreePoint& point) {
  PutTimes(writer, point);
  if (point.type == NumberPoint::Type::kInt) {
    writer.Fixed64(6, static_cast<uint64_t>(point.whole));
  } else if (point.type == NumberPoint::Type::kDouble) {
    writer.Double(4, point.real);
  }
  PutExemplars(writer, 5, point);
  PutAttributes(writer, 7, point.attributes);
  if (point.flags != 0) writer.Varint(8, point.flags);
}

void PutHistogram(Writer& writer, const TreePoint& point) {
  PutTimes(writer, point);
  if (point.count != 0) writer.Fixed64(4, point.count);
  if (point.optionals.has_sum) writer.Double(5, point.optionals.sum);
  if (!point.bucket_counts.empty()) {
    const Writer::Mark mark = writer.Begin(6);
    for (const uint64_t count : point.bucket_counts) writer.PutWord(count);
    writer.End(mark);
  }
  if (!point.explicit_bounds.empty()) {
    const Writer::Mark mark = writer.Begin(7);
    for (const double bound : point.explicit_bounds) writer.PutWord(std::bit_cast<uint64_t>(bound));
    writer.End(mark);
  }
  PutExemplars(writer, 8, point);
  PutAttributes(writer, 9, point.attributes);
  if (point.flags != 0) writer.Varint(10, point.flags);
  if (point.optionals.has_min) writer.Double(11, point.optionals.min);
  if (point.optionals.has_max) writer.Double(12, point.optionals.max);
}

void PutBuckets(Writer& writer, uint32_t field, const TreePoint::Buckets& buckets) {
  if (buckets.offset == 0 && buckets.counts.empty()) return;
  const Writer::Mark mark = writer.Begin(field);
  if (buckets.offset != 0) writer.ZigZag(1, buckets.offset);
  if (!buckets.counts.empty()) {
    const Writer::Mark counts = writer.Begin(2);
    for (const uint64_t count : buckets.counts) writer.PutVarint(count);
    writer.End(counts);
  }
  writer.End(mark);
}

void PutExponential(Writer& writer, const TreePoint& point) {
  PutAttributes(writer, 1, point.attributes);
  PutTimes(writer, point);
  if (point.count != 0) writer.Fixed64(4, point.count);
  if (point.optionals.has_sum) writer.Double(5, point.optionals.sum);
  if (point.scale != 0) writer.ZigZag(6, point.scale);
  if (point.zero_count != 0) writer.Fixed64(7, point.zero_count);
  PutBuckets(writer, 8, point.positive);
  PutBuckets(writer, 9, point.negative);
  if (point.flags != 0) writer.Varint(10, point.flags);
  PutExemplars(writer, 11, point);
  if (point.optionals.has_min) writer.Double(12, point.optionals.min);
  if (point.optionals.has_max) writer.Double(13, point.optionals.max);
  if (point.zero_threshold != 0) writer.Double(14, point.zero_threshold);
}

void PutSummary(Writer& writer, const TreePoint& point) {
  PutTimes(writer, point);
  if (point.count != 0) writer.Fixed64(4, point.count);
  if (point.optionals.sum != 0) writer.Double(5, point.optionals.sum);
  for (const auto& [quantile, value] : point.quantiles) {
    const Writer::Mark mark = writer.Begin(6);
    writer.Double(1, quantile);
    writer.Double(2, value);
    writer.End(mark);
  }
  PutAttributes(writer, 7, point.attributes);
  if (point.flags != 0) writer.Varint(8, point.flags);
}

void PutPoint(Writer& writer, MetricKind kind, const TreePoint& point) {
  switch (kind) {
    case MetricKind::kNone:
      return;
    case MetricKind::kGauge:
    case MetricKind::kSum:
      return PutNumber(writer, point);
    case MetricKind::kHistogram:
      return PutHistogram(writer, point);
    case MetricKind::kExponentialHistogram:
      return PutExponential(writer, point);
    case MetricKind::kSummary:
      return PutSummary(writer, point);
  }
}

void PutMetric(Writer& writer, const TreeMetric& metric) {
  const Writer::Mark mark = writer.Begin(2);
  if (!metric.name.empty()) writer.Bytes(1, metric.name);
  if (!metric.description.empty()) writer.Bytes(2, metric.description);
  if (!metric.unit.empty()) writer.Bytes(3, metric.unit);
  const Writer::Mark data = writer.Begin(static_cast<uint32_t>(metric.kind));
  for (const TreePoint& point : metric.points) {
    const Writer::Mark inner = writer.Begin(1);
    PutPoint(writer, metric.kind, point);
    writer.End(inner);
  }
  const bool has_temporality = metric.kind == MetricKind::kSum ||
                               metric.kind == MetricKind::kHistogram ||
                               metric.kind == MetricKind::kExponentialHistogram;
  if (has_temporality && metric.temporality != Temporality::kUnspecified) {
    writer.Varint(2, static_cast<uint64_t>(metric.temporality));
  }
  if (metric.kind == MetricKind::kSum && metric.is_monotonic) writer.Varint(3, 1);
  writer.End(data);
  PutAttributes(writer, 12, metric.metadata);
  writer.End(mark);
}

bool HasPoints(const TreeMetric& metric) {
  return metric.kind != MetricKind::kNone && !metric.points.empty();
}
bool HasPoints(const TreeScope& scope) {
  return std::ranges::any_of(scope.metrics, [](const TreeMetric& m) { return HasPoints(m); });
}
bool HasPoints(const TreeResource& resource) {
  return std::ranges::any_of(resource.scopes, [](const TreeScope& s) { return HasPoints(s); });
}

void PutScope(Writer& writer, const TreeScope& scope) {
  const Writer::Mark mark = writer.Begin(2);
  const Writer::Mark inner = writer.Begin(1);
  if (!scope.name.empty()) writer.Bytes(1, scope.name);
  if (!scope.version.empty()) writer.Bytes(2, scope.version);
  PutAttributes(writer, 3, scope.attributes);
  if (scope.dropped_attributes != 0) writer.Varint(4, scope.dropped_attributes);
  writer.End(inner);
  for (const TreeMetric& metric : scope.metrics) {
    if (HasPoints(metric)) PutMetric(writer, metric);
  }
  if (!scope.schema_url.empty()) writer.Bytes(3, scope.schema_url);
  writer.End(mark);
}

TreeScope ScopeFrom(const Batch& batch, const Scope& scope) {
  TreeScope out{.name = std::string(scope.name),
                .version = std::string(scope.version),
                .schema_url = std::string(scope.schema_url),
                .attributes = AttributesFrom(scope.attributes),
                .dropped_attributes = VarintOf(scope.scope_raw, 4),
                .metrics = {}};
  for (const Metric& metric : batch.MetricsOf(scope)) {
    out.metrics.push_back(MetricFrom(batch, metric));
  }
  return out;
}

}  // namespace

Any Any::From(const AnyValue& value) {
  switch (value.kind()) {
    case AnyValue::Kind::kEmpty:
      return {};
    case AnyValue::Kind::kString:
      return Any(value.bytes());
    case AnyValue::Kind::kBool:
      return Any(value.Bool());
    case AnyValue::Kind::kInt:
      return Any(value.Int());
    case AnyValue::Kind::kDouble:
      return Any(value.Double());
    case AnyValue::Kind::kBytes:
      return Any(Bytes{std::string(value.bytes())});
    case AnyValue::Kind::kArray: {
      // The decoder bounds the depth.
      Array array;
      Values values(value.bytes());
      while (const auto item = values.Next()) array.push_back(From(*item));
      return Any(std::move(array));
    }
    case AnyValue::Kind::kMap:
      return Any(AttributesFrom(value.bytes()));
  }
  return {};
}

std::string Any::Encode() const {
  Writer writer;
  PutAny(writer, *this, 0);
  return writer.Take();
}

std::string Text(const Any& value) {
  if (const auto* text = value.As<std::string>()) return *text;
  return Text(AnyValue(value.Encode()));
}

AttributeMap AttributesFrom(std::string_view fields) {
  // Beyond this many, places are looked up by hash: a sender chooses the number.
  constexpr size_t kSearchedMax = 32;
  AttributeMap map;
  std::unordered_map<std::string, size_t> places;
  KeyValues pairs(fields);
  while (const auto pair = pairs.Next()) {
    if (map.size() < kSearchedMax) {
      Put(map, pair->key, Any::From(pair->value));
      continue;
    }
    if (places.empty()) {
      for (size_t i = 0; i < map.size(); ++i) places.emplace(map[i].first, i);
    }
    const auto [place, is_new] = places.emplace(std::string(pair->key), map.size());
    if (is_new) map.emplace_back(std::string(pair->key), Any());
    map[place->second].second = Any::From(pair->value);
  }
  return map;
}

const Any* Find(const AttributeMap& map, std::string_view key) {
  for (const auto& [name, value] : map) {
    if (name == key) return &value;
  }
  return nullptr;
}
Any* Find(AttributeMap& map, std::string_view key) {
  return const_cast<Any*>(Find(std::as_const(map), key));
}

void Put(AttributeMap& map, std::string_view key, Any value) {
  if (Any* present = Find(map, key)) {
    *present = std::move(value);
  } else {
    map.emplace_back(std::string(key), std::move(value));
  }
}

void Erase(AttributeMap& map, std::string_view key) {
  std::erase_if(map, [key](const auto& pair) { return pair.first == key; });
}

Tree Tree::From(const Batch& batch) {
  Tree tree;
  for (const ResourceMetrics& resource : batch.resources) {
    TreeResource& out = tree.resources.emplace_back();
    out.attributes = AttributesFrom(resource.attributes);
    out.schema_url = resource.schema_url;
    out.dropped_attributes = VarintOf(resource.resource_raw, 2);
    out.entity_refs = FieldsOf(resource.resource_raw, 3);
    for (const Scope& scope : batch.ScopesOf(resource))
      out.scopes.push_back(ScopeFrom(batch, scope));
  }
  return tree;
}

Batch Tree::ToBatch() const {
  Writer writer;
  for (const TreeResource& resource : resources) {
    if (!HasPoints(resource)) continue;
    const Writer::Mark mark = writer.Begin(1);
    const Writer::Mark inner = writer.Begin(1);
    PutAttributes(writer, 1, resource.attributes);
    if (resource.dropped_attributes != 0) writer.Varint(2, resource.dropped_attributes);
    writer.Raw(resource.entity_refs);
    writer.End(inner);
    for (const TreeScope& scope : resource.scopes) {
      if (HasPoints(scope)) PutScope(writer, scope);
    }
    if (!resource.schema_url.empty()) writer.Bytes(3, resource.schema_url);
    writer.End(mark);
  }
  base::Result<Batch> batch = DecodeMetrics(writer.Take());
  CHECK(batch.has_value());
  return *std::move(batch);
}

size_t Tree::point_count() const {
  size_t points = 0;
  for (const TreeResource& resource : resources) {
    for (const TreeScope& scope : resource.scopes) {
      for (const TreeMetric& metric : scope.metrics) points += metric.points.size();
    }
  }
  return points;
}

}  // namespace narthex::otlp
