#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "otlp/batch.h"
#include "otlp/value.h"

namespace narthex::otlp {

// Changing what a batch says. Records hold views, so new bytes need a home: an Arena, which the
// batch takes over in the end. One thread at a time, all of it.

class Arena {
 public:
  // A copy that lives as long as the arena, or the batch that it is given to.
  std::string_view Keep(std::string bytes);
  void GiveTo(Batch& batch);

 private:
  std::vector<std::shared_ptr<const std::string>> strings_;
};

// Attributes taken apart, in order. Views into the bytes they came from stay in use.
class AttributeEditor {
 public:
  struct Item {
    std::string_view key;
    std::string_view value;  // The bytes of an AnyValue.
  };
  // `fields`: as for KeyValues.
  explicit AttributeEditor(std::string_view fields);

  const std::vector<Item>& items() const { return items_; }
  // Of several with that key, the last. nullopt when absent.
  std::optional<AnyValue> Get(std::string_view key) const;
  // In place of the present one or at the end. `value`: the bytes of an AnyValue.
  void Set(std::string_view key, std::string value);
  void Erase(std::string_view key);

  bool is_changed() const { return is_changed_; }
  // As fields of that number.
  std::string Encode(uint32_t field) const;

 private:
  std::vector<Item> items_;
  std::deque<std::string> owned_;  // What new items lead into.
  bool is_changed_ = false;
};

// The bytes of an AnyValue.
std::string EncodeValue(std::string_view text);
std::string EncodeValue(int64_t value);
std::string EncodeValue(double value);
std::string EncodeValue(bool value);
// So that text in quotes does not become a bool.
inline std::string EncodeValue(const char* text) { return EncodeValue(std::string_view(text)); }

// `message` with the fields of one number replaced by `fields`, which are encoded already.
std::string ReplaceFields(std::string_view message, uint32_t field, std::string_view fields);

// The number of the field with the attributes of a point. Source: metrics.proto.
template <class Point>
inline constexpr uint32_t kAttributesField = std::is_same_v<Point, HistogramPoint>              ? 9
                                             : std::is_same_v<Point, ExponentialHistogramPoint> ? 1
                                                                                                : 7;

// Gives a point other attributes. The metric, scope and resource above it have to lose their `raw`.
template <class Point>
void SetAttributes(Point& point, const AttributeEditor& attributes, Arena& arena) {
  point.attributes = arena.Keep(attributes.Encode(kAttributesField<Point>));
  point.raw = arena.Keep(ReplaceFields(point.raw, kAttributesField<Point>, point.attributes));
}
// The same for a resource.
void SetAttributes(ResourceMetrics& resource, const AttributeEditor& attributes, Arena& arena);

// Calls `visit` with every point of a metric.
template <class Visit>
void VisitPoints(Batch& batch, const Metric& metric, Visit visit) {
  const auto all = [&](auto& points) {
    for (uint32_t i = 0; i < metric.point_count; ++i) visit(points[metric.first_point + i]);
  };
  switch (metric.kind) {
    case MetricKind::kNone:
      break;
    case MetricKind::kGauge:
    case MetricKind::kSum:
      return all(batch.numbers);
    case MetricKind::kHistogram:
      return all(batch.histograms);
    case MetricKind::kExponentialHistogram:
      return all(batch.exponentials);
    case MetricKind::kSummary:
      return all(batch.summaries);
  }
}

// A point of any kind. A view.
using PointRef = std::variant<std::monostate, const NumberPoint*, const HistogramPoint*,
                              const ExponentialHistogramPoint*, const SummaryPoint*>;
std::string_view AttributesOf(const PointRef& point);

// Copies a batch without the points, metrics, scopes and resources that `keep…` refuse; what has
// nothing left goes, too. The order and the bytes of the rest stay.
class BatchFilter {
 public:
  virtual ~BatchFilter() = default;
  virtual bool KeepResource(const ResourceMetrics&) { return true; }
  virtual bool KeepMetric(const ResourceMetrics&, const Scope&, const Metric&) { return true; }
  virtual bool KeepPoint(const ResourceMetrics&, const Scope&, const Metric&, const PointRef&) {
    return true;
  }
};
Batch FilterBatch(const Batch& batch, BatchFilter& filter);

}  // namespace narthex::otlp
