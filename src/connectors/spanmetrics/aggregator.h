#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "connectors/spanmetrics/config.h"
#include "connectors/spanmetrics/series.h"
#include "otlp/traces.h"
#include "otlp/value.h"

namespace narthex::connectors {

class RequestWriter;

// Counts spans and how long they took, by resource and dimensions. One thread at a time.
// Source: opentelemetry-collector-contrib, connector/spanmetricsconnector.
class SpanAggregator {
 public:
  struct Options {
    std::string instance;           // The collector's, as an attribute; empty for none.
    size_t series_max = 1'000'000;  // Of all resources.
    uint64_t seed = base::RandomSeed();
  };
  SpanAggregator(const SpanMetricsConfig& config, Options options);

  // What became of the spans of one call.
  struct Outcome {
    size_t counted = 0;
    size_t overflowed = 0;    // Of those, in series that stand for all further ones.
    size_t without_name = 0;  // Of resources without `service.name`.
    size_t too_many = 0;      // Of new resources, with all series taken.
  };
  Outcome Add(const otlp::Traces& traces, SpanTime now);

  // What there is to tell, as ExportMetricsServiceRequests of a few MiB each; forgets what has
  // expired, and with deltas what was told.
  std::vector<std::string> Flush(SpanTime now);

  size_t series_count() const { return series_count_; }

 private:
  struct TextHash {
    using is_transparent = void;
    uint64_t seed;
    size_t operator()(std::string_view text) const;
  };
  struct TextEqual {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };
  using SeriesMap =
      boost::unordered_flat_map<std::string, std::unique_ptr<SpanSeries>, TextHash, TextEqual>;
  // A metric, or two with the same dimensions.
  struct Shape {
    struct Slot {
      size_t value;  // Into `values_`.
      const SpanDimension* dimension;
    };
    std::vector<Slot> slots;
    std::vector<const re2::RE2*> globs;  // Of further ones.
    bool has_calls = false, has_durations = false, is_events = false;
  };
  struct Resource {
    std::string key;
    std::string attributes;         // Fields of a Resource.
    int64_t seen_ns = 0;            // Monotonic.
    std::vector<SeriesMap> series;  // By shape.
  };
  using Resources = std::list<Resource>;
  struct Value {
    std::string_view name;
    std::optional<otlp::AnyValue> of_resource, of_span, of_event;
    const std::optional<otlp::AnyValue>& get() const {
      return of_span.has_value() ? of_span : of_event.has_value() ? of_event : of_resource;
    }
  };
  // What the spans of a scope have in common.
  struct Surroundings {
    Resource* resource;
    std::string_view service;
    std::string_view attributes;    // Of the resource.
    const otlp::ScopeSpans* scope;  // Null where it is not shown.
  };

  Shape MakeShape(const std::vector<SpanDimension>& dimensions);
  std::string KeyOf(const otlp::ResourceSpans& spans) const;
  // Null with all series taken.
  Resource* FindOrMake(const otlp::ResourceSpans& spans, SpanTime now);
  void AddSpan(const Surroundings& around, const otlp::Span& span,
               std::span<const otlp::SpanEvent> events, SpanTime now);
  void Fill(std::string_view fields, std::optional<otlp::AnyValue> Value::* member);
  // The attributes that fit a shape's globs, of span, event and resource.
  void FindFitting(const Surroundings& around, const Shape& shape, const otlp::Span& span);
  SpanSeries& FindOrMake(const Surroundings& around, size_t shape, const otlp::Span& span,
                         SpanTime now);
  void WriteKey(const Surroundings& around, const Shape& shape, const otlp::Span& span);
  std::string AttributesOf(const Surroundings& around, const Shape& shape,
                           const otlp::Span& span) const;
  void Write(const Resource& resource, RequestWriter& writer) const;
  void Drop(Resources::iterator resource);
  void DropExpired(SpanTime now);
  // What was told as a delta, and exemplars.
  void Forget(SpanSeries& series, SpanTime now);
  // Down to as many as are held between deltas; of those without spans since the last flush first.
  void DropIdle();

  const SpanMetricsConfig& config_;
  const Options options_;
  base::Random random_;
  std::vector<Value> values_;  // One for every name among the dimensions.
  std::vector<Shape> shapes_;
  Resources resources_;  // Those seen last come first.
  boost::unordered_flat_map<std::string_view, Resources::iterator, TextHash, TextEqual> places_;
  size_t series_count_ = 0;

  // Of the span under way.
  std::string key_;
  bool is_extrapolated_ = false;
  std::string_view event_attributes_;
  std::vector<std::pair<std::string_view, otlp::AnyValue>> fitting_;  // By name.
  Outcome outcome_;
};

}  // namespace narthex::connectors
