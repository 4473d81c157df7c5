#include "telemetry/encode.h"

#include "otlp/batch.h"
#include "otlp/writer.h"

namespace narthex::telemetry {
namespace {

using otlp::Writer;

void PutAttributes(Writer& writer, uint32_t field, const sdk::AttributeSet& attributes) {
  for (const sdk::Attribute& item : attributes.items()) {
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

void PutNumber(Writer& writer, const sdk::NumberPoint& point) {
  const Writer::Mark mark = writer.Begin(1);
  PutTimes(writer, point.start_ns, point.time_ns);
  if (point.is_int) {
    writer.Fixed64(6, static_cast<uint64_t>(point.int_value));
  } else {
    writer.Double(4, point.double_value);
  }
  PutAttributes(writer, 7, *point.attributes);
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
  PutAttributes(writer, 9, *point.attributes);
  if (point.count > 0) {
    writer.Double(11, point.min);
    writer.Double(12, point.max);
  }
  writer.End(mark);
}

void PutMetric(Writer& writer, const sdk::MetricData& metric) {
  const Writer::Mark mark = writer.Begin(2);
  writer.Bytes(1, metric.name);
  if (!metric.description.empty()) writer.Bytes(2, metric.description);
  if (!metric.unit.empty()) writer.Bytes(3, metric.unit);
  const auto kind = metric.kind == sdk::DataKind::kGauge ? otlp::MetricKind::kGauge
                    : metric.kind == sdk::DataKind::kSum ? otlp::MetricKind::kSum
                                                         : otlp::MetricKind::kHistogram;
  const Writer::Mark data = writer.Begin(static_cast<uint32_t>(kind));
  for (const sdk::NumberPoint& point : metric.numbers) PutNumber(writer, point);
  for (const sdk::HistogramPoint& point : metric.histograms) PutHistogram(writer, metric, point);
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
  PutAttributes(writer, 1, batch.resource->attributes());
  writer.End(resource);
  for (const sdk::ScopeData& data : batch.scopes) {
    const Writer::Mark scope_metrics = writer.Begin(2);
    const Writer::Mark scope = writer.Begin(1);
    writer.Bytes(1, data.name);
    if (!data.version.empty()) writer.Bytes(2, data.version);
    writer.End(scope);
    for (const sdk::MetricData& metric : data.metrics) PutMetric(writer, metric);
    if (!data.schema_url.empty()) writer.Bytes(3, data.schema_url);
    writer.End(scope_metrics);
  }
  writer.End(mark);
  return writer.Take();
}

}  // namespace narthex::telemetry
