#include "otlp/encode.h"

#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

void PutTemporality(Writer& writer, const Metric& metric) {
  if (metric.temporality != Temporality::kUnspecified) {
    writer.Varint(2, static_cast<uint64_t>(metric.temporality));
  }
}

template <class Point>
void PutPoints(Writer& writer, std::span<const Point> points) {
  for (const Point& point : points) writer.Bytes(1, point.raw);
}

void PutMetric(Writer& writer, const Batch& batch, const Metric& metric) {
  if (!metric.raw.empty()) return writer.Bytes(2, metric.raw);
  const Writer::Mark mark = writer.Begin(2);
  if (!metric.name.empty()) writer.Bytes(1, metric.name);
  if (!metric.description.empty()) writer.Bytes(2, metric.description);
  if (!metric.unit.empty()) writer.Bytes(3, metric.unit);
  if (metric.kind != MetricKind::kNone) {
    const Writer::Mark data = writer.Begin(static_cast<uint32_t>(metric.kind));
    switch (metric.kind) {
      case MetricKind::kNone:
        break;
      case MetricKind::kGauge:
        PutPoints(writer, batch.NumbersOf(metric));
        break;
      case MetricKind::kSum:
        PutPoints(writer, batch.NumbersOf(metric));
        PutTemporality(writer, metric);
        if (metric.is_monotonic) writer.Varint(3, 1);
        break;
      case MetricKind::kHistogram:
        PutPoints(writer, batch.HistogramsOf(metric));
        PutTemporality(writer, metric);
        break;
      case MetricKind::kExponentialHistogram:
        PutPoints(writer, batch.ExponentialsOf(metric));
        PutTemporality(writer, metric);
        break;
      case MetricKind::kSummary:
        PutPoints(writer, batch.SummariesOf(metric));
        break;
    }
    writer.End(data);
  }
  writer.Raw(metric.metadata);
  writer.End(mark);
}

void PutScope(Writer& writer, const Batch& batch, const Scope& scope) {
  if (!scope.raw.empty()) return writer.Bytes(2, scope.raw);
  const Writer::Mark mark = writer.Begin(2);
  if (!scope.scope_raw.empty()) writer.Bytes(1, scope.scope_raw);
  for (const Metric& metric : batch.MetricsOf(scope)) PutMetric(writer, batch, metric);
  if (!scope.schema_url.empty()) writer.Bytes(3, scope.schema_url);
  writer.End(mark);
}

}  // namespace

std::string EncodeMetrics(const Batch& batch) {
  Writer writer;
  size_t bytes = 64;
  for (const auto& buffer : batch.buffers) bytes += buffer->size();
  writer.Reserve(bytes);
  for (const ResourceMetrics& resource : batch.resources) {
    if (!resource.raw.empty()) {
      writer.Bytes(1, resource.raw);
      continue;
    }
    const Writer::Mark mark = writer.Begin(1);
    if (!resource.resource_raw.empty()) writer.Bytes(1, resource.resource_raw);
    for (const Scope& scope : batch.ScopesOf(resource)) PutScope(writer, batch, scope);
    if (!resource.schema_url.empty()) writer.Bytes(3, resource.schema_url);
    writer.End(mark);
  }
  return writer.Take();
}

}  // namespace narthex::otlp
