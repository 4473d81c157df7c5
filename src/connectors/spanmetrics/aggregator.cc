#include "connectors/spanmetrics/aggregator.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "connectors/spanmetrics/adjusted_count.h"
#include "connectors/spanmetrics/request_writer.h"
#include "otlp/aggregate.h"
#include "otlp/edit.h"
#include "otlp/tree.h"

namespace narthex::connectors {
namespace {

constexpr std::string_view kService = "service.name";
// The first byte of a key.
constexpr char kOrdinary = 0, kOverflow = 1;

double DurationOf(const otlp::Span& span, bool in_seconds) {
  if (span.end_ns <= span.start_ns) return 0;  // Clocks that differ.
  return static_cast<double>(span.end_ns - span.start_ns) / (in_seconds ? 1e9 : 1e6);
}

template <size_t size>
bool CopyId(std::string_view from, std::array<char, size>& to) {
  if (from.size() != size) return false;
  std::memcpy(to.data(), from.data(), size);
  return std::ranges::any_of(to, [](char c) { return c != 0; });
}

void PutAttribute(otlp::Writer& writer, std::string_view key, const std::string& value) {
  const auto mark = writer.Begin(7);
  writer.Bytes(1, key);
  writer.Bytes(2, value);
  writer.End(mark);
}

}  // namespace

size_t SpanAggregator::TextHash::operator()(std::string_view text) const {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

SpanAggregator::SpanAggregator(const SpanMetricsConfig& config, Options options)
    : config_(config),
      options_(std::move(options)),
      random_(options_.seed),
      places_(0, TextHash{options_.seed}) {
  const auto same = [](const SpanDimension& a, const SpanDimension& b) {
    return a.IsLike(b) && a.fallback == b.fallback;
  };
  Shape calls = MakeShape(config.calls);
  calls.has_calls = true;
  const bool shares = std::ranges::equal(config.calls, config.durations, same);
  calls.has_durations = config.has_durations && shares;
  shapes_.push_back(std::move(calls));
  if (config.has_durations && !shares) {
    shapes_.push_back(MakeShape(config.durations));
    shapes_.back().has_durations = true;
  }
  if (config.has_events) {
    shapes_.push_back(MakeShape(config.events));
    shapes_.back().is_events = true;
  }
}

SpanAggregator::Shape SpanAggregator::MakeShape(const std::vector<SpanDimension>& dimensions) {
  Shape shape;
  for (const SpanDimension& dimension : dimensions) {
    if (dimension.glob != nullptr) {
      shape.globs.push_back(dimension.glob.get());
      continue;
    }
    auto value = std::ranges::find(values_, dimension.name, &Value::name);
    if (value == values_.end()) {
      values_.push_back({.name = dimension.name});
      value = values_.end() - 1;
    }
    shape.slots.push_back({static_cast<size_t>(value - values_.begin()), &dimension});
  }
  return shape;
}

SpanAggregator::Outcome SpanAggregator::Add(const otlp::Traces& traces, SpanTime now) {
  outcome_ = {};
  for (const otlp::ResourceSpans& spans : traces.resources) {
    const auto service = otlp::FindAttribute(spans.attributes, kService);
    Resource* resource = service.has_value() ? FindOrMake(spans, now) : nullptr;
    if (resource == nullptr) {
      size_t& lost = service.has_value() ? outcome_.too_many : outcome_.without_name;
      for (const otlp::ScopeSpans& scope : traces.ScopesOf(spans)) lost += scope.span_count;
      continue;
    }
    const std::string name = otlp::Text(*service);
    Fill(spans.attributes, &Value::of_resource);
    Surroundings around{resource, name, spans.attributes, nullptr};
    for (const otlp::ScopeSpans& scope : traces.ScopesOf(spans)) {
      const bool is_shown = !scope.name.empty() &&
                            std::ranges::find(config_.scopes, scope.name) != config_.scopes.end();
      around.scope = is_shown ? &scope : nullptr;
      for (const otlp::Span& span : traces.SpansOf(scope)) {
        AddSpan(around, span, traces.EventsOf(span), now);
      }
    }
  }
  return outcome_;
}

std::string SpanAggregator::KeyOf(const otlp::ResourceSpans& spans) const {
  // Nothing that is shown would tell them apart.
  if (!config_.with_resource) return {};
  otlp::AttributeMap attributes = otlp::AttributesFrom(spans.attributes);
  if (!config_.identity.empty()) {
    std::erase_if(attributes, [&](const auto& item) {
      return std::ranges::find(config_.identity, item.first) == config_.identity.end();
    });
  }
  return otlp::KeyOf(attributes);
}

SpanAggregator::Resource* SpanAggregator::FindOrMake(const otlp::ResourceSpans& spans,
                                                     SpanTime now) {
  std::string key = KeyOf(spans);
  if (const auto found = places_.find(key); found != places_.end()) {
    resources_.splice(resources_.begin(), resources_, found->second);
    found->second->seen_ns = now.monotonic_ns;
    return &*found->second;
  }
  if (series_count_ >= options_.series_max) return nullptr;
  Resource& resource = resources_.emplace_front();
  resource.key = std::move(key);
  if (config_.with_resource) resource.attributes = spans.attributes;
  resource.seen_ns = now.monotonic_ns;
  for (size_t i = 0; i < shapes_.size(); ++i) {
    resource.series.emplace_back(0, TextHash{options_.seed});
  }
  places_.emplace(resource.key, resources_.begin());
  return &resource;
}

void SpanAggregator::Fill(std::string_view fields, std::optional<otlp::AnyValue> Value::* member) {
  if (values_.empty()) return;
  for (Value& value : values_) (value.*member).reset();
  otlp::KeyValues attributes(fields);
  while (const auto item = attributes.NextRaw()) {
    for (Value& value : values_) {
      if (value.name == item->key) value.*member = otlp::AnyValue(item->value);
    }
  }
}

void SpanAggregator::FindFitting(const Surroundings& around, const Shape& shape,
                                 const otlp::Span& span) {
  fitting_.clear();
  if (shape.globs.empty()) return;
  const auto is_wanted = [&](std::string_view name) {
    const auto has_name = [&](const Shape::Slot& slot) { return slot.dimension->name == name; };
    const auto fits = [&](const re2::RE2* glob) { return re2::RE2::FullMatch(name, *glob); };
    return !IsCommonDimension(name) && std::ranges::any_of(shape.globs, fits) &&
           std::ranges::none_of(shape.slots, has_name);
  };
  for (const std::string_view fields : {span.attributes, event_attributes_, around.attributes}) {
    const size_t before = fitting_.size();
    otlp::KeyValues attributes(fields);
    while (const auto item = attributes.NextRaw()) {
      // The innermost counts, and of repeated ones the last, as of those with a name.
      const auto found = std::ranges::find(fitting_, item->key,
                                           &std::pair<std::string_view, otlp::AnyValue>::first);
      if (found == fitting_.end()) {
        if (is_wanted(item->key)) fitting_.emplace_back(item->key, otlp::AnyValue(item->value));
      } else if (static_cast<size_t>(found - fitting_.begin()) >= before) {
        found->second = otlp::AnyValue(item->value);
      }
    }
  }
  std::ranges::sort(fitting_, {}, &std::pair<std::string_view, otlp::AnyValue>::first);
}

void SpanAggregator::AddSpan(const Surroundings& around, const otlp::Span& span,
                             std::span<const otlp::SpanEvent> events, SpanTime now) {
  AdjustedCount adjusted;
  if (!span.trace_state.empty()) adjusted = AdjustedCount(span.trace_state);
  is_extrapolated_ = adjusted.is_extrapolated();
  const uint64_t count = adjusted.Draw(random_);
  const double duration = DurationOf(span, config_.in_seconds);
  SpanExemplar exemplar{.duration = duration};
  const bool has_exemplar = config_.has_exemplars && CopyId(span.trace_id, exemplar.trace_id) &&
                            CopyId(span.span_id, exemplar.span_id);
  const size_t overflowed = outcome_.overflowed;
  const auto add = [&](size_t shape) {
    SpanSeries& series = FindOrMake(around, shape, span, now);
    series.seen_ns = now.monotonic_ns;
    series.count += count;
    if (has_exemplar && series.exemplars.size() < config_.exemplars_max) {
      series.exemplars.push_back(exemplar);
    }
    if (!shapes_[shape].has_durations) return;
    if (series.recorder != nullptr) {
      series.recorder->Add(duration, count);
      return;
    }
    const auto bucket = std::ranges::lower_bound(config_.bounds, duration);
    series.buckets[static_cast<size_t>(bucket - config_.bounds.begin())] += count;
    series.sum += duration * static_cast<double>(count);
  };
  Fill(span.attributes, &Value::of_span);
  for (size_t shape = 0; shape < shapes_.size(); ++shape) {
    if (!shapes_[shape].is_events) {
      add(shape);
      continue;
    }
    for (const otlp::SpanEvent& event : events) {
      Fill(event.attributes, &Value::of_event);
      event_attributes_ = event.attributes;
      add(shape);
    }
    event_attributes_ = {};
    for (Value& value : values_) value.of_event.reset();
  }
  ++outcome_.counted;
  // Once for a span, in however many series it counts.
  outcome_.overflowed = std::min(outcome_.overflowed, overflowed + 1);
}

void SpanAggregator::WriteKey(const Surroundings& around, const Shape& shape,
                              const otlp::Span& span) {
  const auto put_size = [&](size_t at) {
    const auto size = static_cast<uint32_t>(key_.size() - at);
    std::memcpy(key_.data() + at - sizeof(size), &size, sizeof(size));
  };
  const auto put = [&](std::string_view text) {
    const auto size = static_cast<uint32_t>(text.size());
    key_.append(reinterpret_cast<const char*>(&size), sizeof(size));
    key_.append(text);
  };
  const auto put_value = [&](const otlp::AnyValue& value) {
    key_.append(sizeof(uint32_t), '\0');
    const size_t at = key_.size();
    otlp::AppendText(key_, value);
    put_size(at);
  };
  key_.assign(1, kOrdinary);
  if (config_.with_service) put(around.service);
  if (config_.with_name) put(span.name);
  // By name, so that unknown values, which have none, are one.
  if (config_.with_kind) put(otlp::SpanKindName(span.kind));
  if (config_.with_status) put(otlp::StatusCodeName(span.status_code));
  for (const Shape::Slot& slot : shape.slots) {
    const auto& value = values_[slot.value].get();
    const auto& fallback = slot.dimension->fallback;
    const bool is_there = value.has_value() || fallback.has_value();
    key_ += static_cast<char>(is_there);
    if (!is_there) continue;
    if (!value.has_value()) {
      put(*fallback);
      continue;
    }
    put_value(*value);
  }
  if (!shape.globs.empty()) key_ += static_cast<char>(!fitting_.empty());
  for (const auto& [name, value] : fitting_) {
    put(name);
    put_value(value);
  }
  if (!fitting_.empty()) put("");  // No name; the next is another part.
  if (around.scope != nullptr) {
    put(around.scope->name);
    put(around.scope->version);
  }
  if (config_.with_sampling_method) key_ += static_cast<char>(is_extrapolated_);
}

std::string SpanAggregator::AttributesOf(const Surroundings& around, const Shape& shape,
                                         const otlp::Span& span) const {
  otlp::Writer writer;
  const auto put = [&](std::string_view key, std::string_view text) {
    PutAttribute(writer, key, otlp::EncodeValue(text));
  };
  if (config_.with_service) put(kService, around.service);
  if (config_.with_name) put("span.name", span.name);
  if (config_.with_kind) put("span.kind", otlp::SpanKindName(span.kind));
  if (config_.with_status) put("status.code", otlp::StatusCodeName(span.status_code));
  if (config_.with_instance && !options_.instance.empty()) {
    put("collector.instance.id", options_.instance);
  }
  for (const Shape::Slot& slot : shape.slots) {
    const auto& value = values_[slot.value].get();
    if (value.has_value()) {
      PutAttribute(writer, slot.dimension->name, otlp::Any::From(*value).Encode());
    } else if (slot.dimension->fallback.has_value()) {
      put(slot.dimension->name, *slot.dimension->fallback);
    }
  }
  for (const auto& [name, value] : fitting_) {
    PutAttribute(writer, name, otlp::Any::From(value).Encode());
  }
  if (around.scope != nullptr) {
    put("span.instrumentation.scope.name", around.scope->name);
    if (!around.scope->version.empty()) {
      put("span.instrumentation.scope.version", around.scope->version);
    }
  }
  if (config_.with_sampling_method) {
    put("sampling.method", is_extrapolated_ ? "extrapolated" : "counted");
  }
  return writer.Take();
}

SpanSeries& SpanAggregator::FindOrMake(const Surroundings& around, size_t shape,
                                       const otlp::Span& span, SpanTime now) {
  SeriesMap& map = around.resource->series[shape];
  FindFitting(around, shapes_[shape], span);
  WriteKey(around, shapes_[shape], span);
  if (const auto found = map.find(key_); found != map.end()) return *found->second;
  std::string attributes;
  if ((config_.series_max > 0 && map.size() >= config_.series_max) ||
      series_count_ >= options_.series_max) {
    ++outcome_.overflowed;
    key_.assign(1, kOverflow);
    if (const auto found = map.find(key_); found != map.end()) return *found->second;
    otlp::Writer writer;
    PutAttribute(writer, "otel.metric.overflow", otlp::EncodeValue(true));
    attributes = writer.Take();
  } else {
    attributes = AttributesOf(around, shapes_[shape], span);
  }
  auto series = std::make_unique<SpanSeries>();
  series->attributes = std::move(attributes);
  series->start_ns = now.wall_ns;
  if (shapes_[shape].has_durations) {
    if (config_.exponential_buckets_max > 0) {
      series->recorder =
          std::make_unique<otlp::ExponentialRecorder>(config_.exponential_buckets_max);
    } else {
      series->buckets.resize(config_.bounds.size() + 1);
    }
  }
  ++series_count_;
  return *map.emplace(key_, std::move(series)).first->second;
}

void SpanAggregator::Write(const Resource& resource, RequestWriter& writer) const {
  const auto write = [&](RequestWriter::Kind kind, const SeriesMap& map) {
    writer.BeginMetric(kind);
    for (const auto& [key, series] : map) {
      if (series->count > 0 || !config_.is_delta) writer.Add(*series);
    }
    writer.EndMetric();
  };
  writer.BeginResource(resource.attributes);
  for (size_t i = 0; i < shapes_.size(); ++i) {
    if (shapes_[i].has_calls) write(RequestWriter::Kind::kCalls, resource.series[i]);
    if (shapes_[i].has_durations) write(RequestWriter::Kind::kDurations, resource.series[i]);
    if (shapes_[i].is_events) write(RequestWriter::Kind::kEvents, resource.series[i]);
  }
  writer.EndResource();
}

std::vector<std::string> SpanAggregator::Flush(SpanTime now) {
  RequestWriter writer(config_, now.wall_ns);
  for (const Resource& resource : resources_) Write(resource, writer);
  DropExpired(now);
  for (Resource& resource : resources_) {
    for (SeriesMap& map : resource.series) {
      for (auto& [key, series] : map) Forget(*series, now);
    }
  }
  if (config_.is_delta) DropIdle();
  return writer.Take();
}

void SpanAggregator::Drop(Resources::iterator resource) {
  for (const SeriesMap& map : resource->series) series_count_ -= map.size();
  places_.erase(resource->key);
  resources_.erase(resource);
}

void SpanAggregator::DropExpired(SpanTime now) {
  const auto is_past = [&](int64_t seen_ns, std::chrono::nanoseconds limit) {
    return limit.count() > 0 && now.monotonic_ns - seen_ns >= limit.count();
  };
  while (!resources_.empty() && (resources_.size() > config_.resources_max ||
                                 is_past(resources_.back().seen_ns, config_.resource_expiration))) {
    Drop(std::prev(resources_.end()));
  }
  if (config_.series_expiration.count() == 0) return;
  for (Resource& resource : resources_) {
    for (SeriesMap& map : resource.series) {
      series_count_ -= boost::unordered::erase_if(map, [&](const auto& item) {
        return is_past(item.second->seen_ns, config_.series_expiration);
      });
    }
  }
}

void SpanAggregator::Forget(SpanSeries& series, SpanTime now) {
  series.exemplars.clear();
  series.is_idle = series.count == 0;
  if (!config_.is_delta || series.is_idle) return;
  series.start_ns = now.wall_ns;
  series.count = 0;
  series.sum = 0;
  std::ranges::fill(series.buckets, 0);
  if (series.recorder != nullptr) {
    *series.recorder = otlp::ExponentialRecorder(config_.exponential_buckets_max);
  }
}

void SpanAggregator::DropIdle() {
  const auto is_over = [&] { return series_count_ > config_.idle_deltas_max; };
  for (const bool with_busy : {false, true}) {
    for (auto at = resources_.end(); at != resources_.begin() && is_over();) {
      const auto resource = --at;
      for (SeriesMap& map : resource->series) {
        boost::unordered::erase_if(map, [&](const auto& item) {
          const bool goes = is_over() && (with_busy || item.second->is_idle);
          if (goes) --series_count_;
          return goes;
        });
      }
    }
  }
}

}  // namespace narthex::connectors
