#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "otlp/edit.h"
#include "otlp/tree.h"
#include "otlp/tree_exemplar.h"
#include "ottl/path.h"

namespace narthex::ottl {

// What conditions and statements are asked about: the telemetry around one place. One thread at a
// time.
class Scene {
 public:
  virtual ~Scene() = default;
  // Nil where the metric's kind has no such field.
  virtual otlp::Any Get(const Place& place) const = 0;
  // One attribute, without the others.
  virtual otlp::Any GetKey(const Place& place, std::string_view key) const = 0;
  // Whether any point of the metric has the attribute, with that value unless null.
  virtual bool AnyPointHas(std::string_view key, const otlp::Any* value) const = 0;

  const base::Clock* clock = nullptr;  // For Now().
};

// Over a batch, to be read. Members of levels below the condition's own may be null; of exemplars
// nothing is known. A view.
struct Subject final : Scene {
  Subject(const otlp::Batch* b, const otlp::ResourceMetrics* r, const otlp::Scope* s = nullptr,
          const otlp::Metric* m = nullptr, otlp::PointRef p = {})
      : batch(b), resource(r), scope(s), metric(m), point(p) {}
  otlp::Any Get(const Place& place) const override;
  otlp::Any GetKey(const Place& place, std::string_view key) const override;
  bool AnyPointHas(std::string_view key, const otlp::Any* value) const override;

  const otlp::Batch* batch;
  const otlp::ResourceMetrics* resource;
  const otlp::Scope* scope;
  const otlp::Metric* metric;
  otlp::PointRef point;
};

// Over a tree, to be changed. Members below the statement's level may be null.
struct Stage final : Scene {
  otlp::Any Get(const Place& place) const override;
  otlp::Any GetKey(const Place& place, std::string_view key) const override;
  bool AnyPointHas(std::string_view key, const otlp::Any* value) const override;
  // The map at a place with keys; null for other places.
  otlp::AttributeMap* MapAt(const Place& place) const;
  // Error: kInvalidArgument for a value of the wrong type.
  base::Status Set(const Place& place, otlp::Any value);

  otlp::TreeResource* resource = nullptr;
  otlp::TreeScope* scope = nullptr;
  otlp::TreeMetric* metric = nullptr;
  otlp::TreePoint* point = nullptr;
  otlp::TreeExemplar* exemplar = nullptr;
  otlp::AttributeMap* cache = nullptr;
};

// METRIC_DATA_TYPE_… of a kind.
int64_t TypeNumber(otlp::MetricKind kind);

}  // namespace narthex::ottl
