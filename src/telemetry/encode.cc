#include "telemetry/encode.h"

#include "otlp/batch.h"
#include "otlp/writer.h"

namespace narthex::telemetry {
namespace {

using otlp::Writer;

void PutAttributes(Writer& writer, uint32_t field, sdk::Attributes attributes) {
  for (const sdk::Attribute& item : attributes) {
    const Writer::Mark pair = writer.Begin(field);
    writer.Bytes(1, item.key);
    const Writer::Mark value = writer.Begin(2);
    switch (item.value.kind()) {
      case sdk::AttributeValue::Kind::kString:
        writer.Bytes(1, item.value.AsString());
        break;
      case sdk::AttributeValue::Kind::kBool:
        writer.Varint(2, item.value.AsBool());
        break;
      case sdk::AttributeValue::Kind::kInt:
        writer.Varint(3, static_cast<uint64_t>(item.value.AsInt()));
        break;
      case sdk::AttributeValue::Kind::kDouble:
        writer.Double(4, item.value.AsDouble());
        break;
    }
    writer.End(value);
    writer.End(pair);
  }
}

void PutTimes(Writer& writer, int64_t start_ns, int64_t time_ns) {
  if (start_ns != 0) writer.Fixed64(2, static_cast<uint64_t>(start_ns));
  writer.Fixed64(3, static_cast<uint64_t>(time_ns));
}

std::string_view Bytes(std::span<const uint8_t> id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

// `is_int`: as the point's own value.
void PutExemplars(Writer& writer, uint32_t field, std::span<const sdk::Exemplar> exemplars,
                  bool is_int) {
  for (const sdk::Exemplar& exemplar : exemplars) {
    const Writer::Mark mark = writer.Begin(field);
    writer.Fixed64(2, static_cast<uint64_t>(exemplar.time_ns));
    if (is_int) {
      writer.Fixed64(6, static_cast<uint64_t>(static_cast<int64_t>(exemplar.value)));
    } else {
      writer.Double(3, exemplar.value);
    }
    if (exemplar.has_span) {
      writer.Bytes(4, Bytes(exemplar.span.span_id));
      writer.Bytes(5, Bytes(exemplar.span.trace_id));
    }
    PutAttributes(writer, 7, exemplar.filtered_attributes.items());
    writer.End(mark);
  }
}

void PutNumber(Writer& writer, const sdk::MetricData& metric, const sdk::NumberPoint& point) {
  const Writer::Mark mark = writer.Begin(1);
  PutTimes(writer, point.start_ns, point.time_ns);
  if (point.is_int) {
    writer.Fixed64(6, static_cast<uint64_t>(point.int_value));
  } else {
    writer.Double(4, point.double_value);
  }
  PutExemplars(writer, 5, metric.Exemplars(point.exemplars), point.is_int);
  PutAttributes(writer, 7, point.attributes->items());
  writer.End(mark);
}

void PutHistogram(Writer& writer, const sdk::MetricData& metric, const sdk::HistogramPoint& point) {
  const Writer::Mark mark = writer.Begin(1);
  PutTimes(writer, point.start_ns, point.time_ns);
  writer.Fixed64(4, point.count);
  writer.Double(5, point.sum);
  const Writer::Mark counts = writer.Begin(6);
  for (const uint64_t count : metric.BucketCounts(point)) writer.PutWord(count);
  writer.End(counts);
  const Writer::Mark bounds = writer.Begin(7);
  for (const double bound : metric.bounds) writer.PutWord(std::bit_cast<uint64_t>(bound));
  writer.End(bounds);
  PutExemplars(writer, 8, metric.Exemplars(point.exemplars), false);
  PutAttributes(writer, 9, point.attributes->items());
  if (metric.has_min_max && point.count > 0) {
    writer.Double(11, point.min);
    writer.Double(12, point.max);
  }
  writer.End(mark);
}

void PutSide(Writer& writer, uint32_t field, const sdk::MetricData& metric,
             const sdk::ExponentialPoint::Side& side) {
  if (side.size == 0) return;
  const Writer::Mark mark = writer.Begin(field);
  writer.ZigZag(1, side.offset);
  const Writer::Mark counts = writer.Begin(2);
  for (const uint64_t count : metric.BucketCounts(side)) writer.PutVarint(count);
  writer.End(counts);
  writer.End(mark);
}

void PutExponential(Writer& writer, const sdk::MetricData& metric,
                    const sdk::ExponentialPoint& point) {
  const Writer::Mark mark = writer.Begin(1);
  PutAttributes(writer, 1, point.attributes->items());
  PutTimes(writer, point.start_ns, point.time_ns);
  writer.Fixed64(4, point.count);
  writer.Double(5, point.sum);
  writer.ZigZag(6, point.scale);
  writer.Fixed64(7, point.zero_count);
  PutSide(writer, 8, metric, point.positive);
  PutSide(writer, 9, metric, point.negative);
  PutExemplars(writer, 11, metric.Exemplars(point.exemplars), false);
  if (metric.has_min_max && point.count > 0) {
    writer.Double(12, point.min);
    writer.Double(13, point.max);
  }
  writer.End(mark);
}

otlp::MetricKind KindOf(sdk::DataKind kind) {
  switch (kind) {
    case sdk::DataKind::kGauge:
      return otlp::MetricKind::kGauge;
    case sdk::DataKind::kSum:
      return otlp::MetricKind::kSum;
    case sdk::DataKind::kHistogram:
      return otlp::MetricKind::kHistogram;
    case sdk::DataKind::kExponentialHistogram:
      return otlp::MetricKind::kExponentialHistogram;
  }
  return otlp::MetricKind::kGauge;
}

void PutMetric(Writer& writer, const sdk::MetricData& metric) {
  const Writer::Mark mark = writer.Begin(2);
  writer.Bytes(1, metric.name);
  if (!metric.description.empty()) writer.Bytes(2, metric.description);
  if (!metric.unit.empty()) writer.Bytes(3, metric.unit);
  const otlp::MetricKind kind = KindOf(metric.kind);
  const Writer::Mark data = writer.Begin(static_cast<uint32_t>(kind));
  for (const sdk::NumberPoint& point : metric.numbers) PutNumber(writer, metric, point);
  for (const sdk::HistogramPoint& point : metric.histograms) PutHistogram(writer, metric, point);
  for (const sdk::ExponentialPoint& point : metric.exponentials) {
    PutExponential(writer, metric, point);
  }
  if (kind != otlp::MetricKind::kGauge) {
    writer.Varint(2, static_cast<uint64_t>(metric.temporality));
  }
  if (metric.is_monotonic) writer.Varint(3, 1);
  writer.End(data);
  writer.End(mark);
}

}  // namespace

std::string EncodeOtlp(const sdk::MetricBatch& batch) {
  Writer writer;
  if (batch.scopes.empty()) return writer.Take();
  const Writer::Mark mark = writer.Begin(1);
  const Writer::Mark resource = writer.Begin(1);
  PutAttributes(writer, 1, batch.resource->attributes().items());
  writer.End(resource);
  for (const sdk::ScopeData& data : batch.scopes) {
    const Writer::Mark scope_metrics = writer.Begin(2);
    const Writer::Mark scope = writer.Begin(1);
    writer.Bytes(1, data.name);
    if (!data.version.empty()) writer.Bytes(2, data.version);
    if (data.attributes != nullptr) PutAttributes(writer, 3, data.attributes->items());
    writer.End(scope);
    for (const sdk::MetricData& metric : data.metrics) PutMetric(writer, metric);
    if (!data.schema_url.empty()) writer.Bytes(3, data.schema_url);
    writer.End(scope_metrics);
  }
  writer.End(mark);
  return writer.Take();
}

}  // namespace narthex::telemetry
