#include "otlp/edit.h"

#include <algorithm>

#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

using internal::Cursor;
using internal::Tag;
using internal::WireType;

AttributeEditor::Item ReadItem(std::string_view message) {
  AttributeEditor::Item item;
  Cursor fields(message);
  while (const uint32_t tag = fields.NextTag()) {
    if (tag == Tag(1, WireType::kBytes)) {
      item.key = fields.ReadBytes();
    } else if (tag == Tag(2, WireType::kBytes)) {
      item.value = fields.ReadBytes();
    } else {
      fields.Skip(tag);
    }
  }
  return item;
}

// See FilterBatch.
class Filterer {
 public:
  Filterer(const Batch& from, BatchFilter& filter, Batch& to)
      : from_(from), filter_(filter), to_(to) {}

  void CopyResource(ResourceMetrics resource) {
    if (!filter_.KeepResource(resource)) return;
    const ResourceMetrics original = resource;
    resource.first_scope = static_cast<uint32_t>(to_.scopes.size());
    bool is_whole = true;
    for (const Scope& scope : from_.ScopesOf(original)) is_whole &= CopyScope(original, scope);
    resource.scope_count = static_cast<uint32_t>(to_.scopes.size()) - resource.first_scope;
    if (!is_whole) resource.raw = {};
    if (is_whole || resource.scope_count > 0) to_.resources.push_back(resource);
  }

 private:
  // Whether all of it was taken; so with the others.
  bool CopyScope(const ResourceMetrics& resource, Scope scope) {
    const Scope original = scope;
    scope.first_metric = static_cast<uint32_t>(to_.metrics.size());
    bool is_whole = true;
    for (const Metric& metric : from_.MetricsOf(original)) {
      is_whole &= CopyMetric(resource, original, metric);
    }
    scope.metric_count = static_cast<uint32_t>(to_.metrics.size()) - scope.first_metric;
    if (!is_whole) scope.raw = {};
    if (is_whole || scope.metric_count > 0) to_.scopes.push_back(scope);
    return is_whole;
  }

  bool CopyMetric(const ResourceMetrics& resource, const Scope& scope, Metric metric) {
    if (!filter_.KeepMetric(resource, scope, metric)) return false;
    const Metric original = metric;
    const auto copy = [&](const auto points, auto& to) {
      metric.first_point = static_cast<uint32_t>(to.size());
      for (const auto& point : points) {
        if (filter_.KeepPoint(resource, scope, original, &point)) to.push_back(point);
      }
      metric.point_count = static_cast<uint32_t>(to.size()) - metric.first_point;
    };
    switch (metric.kind) {
      case MetricKind::kNone:
        break;
      case MetricKind::kGauge:
      case MetricKind::kSum:
        copy(from_.NumbersOf(original), to_.numbers);
        break;
      case MetricKind::kHistogram:
        copy(from_.HistogramsOf(original), to_.histograms);
        break;
      case MetricKind::kExponentialHistogram:
        copy(from_.ExponentialsOf(original), to_.exponentials);
        break;
      case MetricKind::kSummary:
        copy(from_.SummariesOf(original), to_.summaries);
        break;
    }
    const bool is_whole = metric.point_count == original.point_count;
    if (!is_whole) metric.raw = {};
    if (is_whole || metric.point_count > 0) to_.metrics.push_back(metric);
    return is_whole;
  }

  const Batch& from_;
  BatchFilter& filter_;
  Batch& to_;
};

}  // namespace

std::string_view Arena::Keep(std::string bytes) {
  return *strings_.emplace_back(std::make_shared<const std::string>(std::move(bytes)));
}

void Arena::GiveTo(Batch& batch) {
  batch.buffers.insert(batch.buffers.end(), strings_.begin(), strings_.end());
  strings_.clear();
}

AttributeEditor::AttributeEditor(std::string_view fields) {
  Cursor cursor(fields);
  while (const uint32_t tag = cursor.NextTag()) {
    if ((tag & 7) == static_cast<uint32_t>(WireType::kBytes)) {
      items_.push_back(ReadItem(cursor.ReadBytes()));
    } else {
      cursor.Skip(tag);
    }
  }
}

std::optional<AnyValue> AttributeEditor::Get(std::string_view key) const {
  for (auto item = items_.rbegin(); item != items_.rend(); ++item) {
    if (item->key == key) return AnyValue(item->value);
  }
  return std::nullopt;
}

void AttributeEditor::Set(std::string_view key, std::string value) {
  const std::string_view bytes = owned_.emplace_back(std::move(value));
  is_changed_ = true;
  for (auto item = items_.rbegin(); item != items_.rend(); ++item) {
    if (item->key != key) continue;
    item->value = bytes;
    return;
  }
  items_.push_back({owned_.emplace_back(key), bytes});
}

void AttributeEditor::Erase(std::string_view key) {
  if (std::erase_if(items_, [key](const Item& item) { return item.key == key; }) > 0) {
    is_changed_ = true;
  }
}

std::string AttributeEditor::Encode(uint32_t field) const {
  Writer writer;
  for (const Item& item : items_) {
    const Writer::Mark mark = writer.Begin(field);
    writer.Bytes(1, item.key);
    writer.Bytes(2, item.value);
    writer.End(mark);
  }
  return writer.Take();
}

std::string EncodeValue(std::string_view text) {
  Writer writer;
  writer.Bytes(1, text);
  return writer.Take();
}

std::string EncodeValue(bool value) {
  Writer writer;
  writer.Varint(2, value ? 1 : 0);
  return writer.Take();
}

std::string EncodeValue(int64_t value) {
  Writer writer;
  writer.Varint(3, static_cast<uint64_t>(value));
  return writer.Take();
}

std::string EncodeValue(double value) {
  Writer writer;
  writer.Double(4, value);
  return writer.Take();
}

std::string ReplaceFields(std::string_view message, uint32_t field, std::string_view fields) {
  std::string out;
  out.reserve(message.size() + fields.size());
  Cursor cursor(message);
  while (const uint32_t tag = cursor.NextTag()) {
    const char* begin = cursor.field();
    cursor.Skip(tag);
    if (tag >> 3 != field) out.append(begin, cursor.at());
  }
  return out.append(fields);
}

void SetAttributes(ResourceMetrics& resource, const AttributeEditor& attributes, Arena& arena) {
  constexpr uint32_t kField = 1;
  resource.attributes = arena.Keep(attributes.Encode(kField));
  resource.resource_raw =
      arena.Keep(ReplaceFields(resource.resource_raw, kField, resource.attributes));
  resource.raw = {};
}

std::string_view AttributesOf(const PointRef& point) {
  return std::visit(
      [](const auto& ref) -> std::string_view {
        if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(ref)>>) {
          return ref->attributes;
        } else {
          return {};
        }
      },
      point);
}

Batch FilterBatch(const Batch& batch, BatchFilter& filter) {
  Batch kept;
  Filterer filterer(batch, filter, kept);
  for (const ResourceMetrics& resource : batch.resources) filterer.CopyResource(resource);
  kept.buffers = batch.buffers;
  kept.client = batch.client;
  kept.throttle = batch.throttle;
  return kept;
}

}  // namespace narthex::otlp
