#include "connectors/spanmetrics/request_writer.h"

#include <bit>
#include <utility>

#include "otlp/batch.h"

namespace narthex::connectors {
namespace {

constexpr size_t kRequestBytes = 4 << 20;
constexpr std::string_view kScope = "spanmetricsconnector";  // As upstream calls itself.

std::string_view NameOf(RequestWriter::Kind kind) {
  switch (kind) {
    case RequestWriter::Kind::kCalls:
      return "calls";
    case RequestWriter::Kind::kDurations:
      return "duration";
    case RequestWriter::Kind::kEvents:
      return "events";
  }
  return "";
}

std::string_view Bytes(const auto& id) { return {id.data(), id.size()}; }

}  // namespace

// Field numbers are those of metrics.proto.

void RequestWriter::OpenResource() {
  resource_is_open_ = true;
  resource_mark_ = writer_.Begin(1);
  writer_.Bytes(1, resource_);
  scope_mark_ = writer_.Begin(2);
  const auto scope = writer_.Begin(1);
  writer_.Bytes(1, kScope);
  writer_.End(scope);
}

void RequestWriter::EndResource() {
  if (!std::exchange(resource_is_open_, false)) return;
  writer_.End(scope_mark_);
  writer_.End(resource_mark_);
  if (writer_.size() >= kRequestBytes) requests_.push_back(writer_.Take());
}

void RequestWriter::OpenMetric() {
  if (!resource_is_open_) OpenResource();
  metric_is_open_ = true;
  metric_mark_ = writer_.Begin(2);
  std::string name = config_.metric_namespace;
  if (!name.empty()) name += '.';
  name += NameOf(kind_);
  writer_.Bytes(1, name);
  const bool is_durations = kind_ == Kind::kDurations;
  if (is_durations) writer_.Bytes(3, config_.in_seconds ? "s" : "ms");
  const auto data = !is_durations ? otlp::MetricKind::kSum
                    : config_.exponential_buckets_max == 0
                        ? otlp::MetricKind::kHistogram
                        : otlp::MetricKind::kExponentialHistogram;
  data_mark_ = writer_.Begin(static_cast<uint32_t>(data));
}

void RequestWriter::EndMetric() {
  if (!std::exchange(metric_is_open_, false)) return;
  writer_.Varint(2, static_cast<uint64_t>(config_.is_delta ? otlp::Temporality::kDelta
                                                           : otlp::Temporality::kCumulative));
  if (kind_ != Kind::kDurations) writer_.Varint(3, 1);  // Monotonic.
  writer_.End(data_mark_);
  writer_.End(metric_mark_);
}

std::vector<std::string> RequestWriter::Take() {
  if (writer_.size() > 0) requests_.push_back(writer_.Take());
  return std::move(requests_);
}

void RequestWriter::Add(const SpanSeries& series) {
  if (!metric_is_open_) OpenMetric();
  const auto point = writer_.Begin(1);
  if (kind_ != Kind::kDurations) {
    AddNumber(series);
  } else if (series.recorder == nullptr) {
    AddExplicit(series);
  } else {
    AddExponential(series);
  }
  writer_.End(point);
}

void RequestWriter::PutTimes(const SpanSeries& series) {
  writer_.Fixed64(2, series.start_ns);
  writer_.Fixed64(3, time_ns_);
}

void RequestWriter::PutExemplars(uint32_t field, const SpanSeries& series) {
  for (const SpanExemplar& exemplar : series.exemplars) {
    const auto mark = writer_.Begin(field);
    writer_.Fixed64(2, time_ns_);
    writer_.Double(3, exemplar.duration);
    writer_.Bytes(4, Bytes(exemplar.span_id));
    writer_.Bytes(5, Bytes(exemplar.trace_id));
    writer_.End(mark);
  }
}

void RequestWriter::AddNumber(const SpanSeries& series) {
  PutTimes(series);
  PutExemplars(5, series);
  writer_.Fixed64(6, series.count);
  writer_.Messages(7, series.attributes);
}

void RequestWriter::AddExplicit(const SpanSeries& series) {
  PutTimes(series);
  writer_.Fixed64(4, series.count);
  writer_.Double(5, series.sum);
  const auto counts = writer_.Begin(6);
  for (const uint64_t count : series.buckets) writer_.PutWord(count);
  writer_.End(counts);
  const auto bounds = writer_.Begin(7);
  for (const double bound : config_.bounds) writer_.PutWord(std::bit_cast<uint64_t>(bound));
  writer_.End(bounds);
  PutExemplars(8, series);
  writer_.Messages(9, series.attributes);
}

void RequestWriter::AddExponential(const SpanSeries& series) {
  const otlp::TreePoint& recorded = series.recorder->point();
  writer_.Messages(1, series.attributes);
  PutTimes(series);
  writer_.Fixed64(4, series.count);
  writer_.Double(5, recorded.optionals.sum);
  writer_.ZigZag(6, recorded.scale);
  writer_.Fixed64(7, recorded.zero_count);
  const auto positive = writer_.Begin(8);
  writer_.ZigZag(1, recorded.positive.offset);
  const auto counts = writer_.Begin(2);
  for (const uint64_t count : recorded.positive.counts) writer_.PutVarint(count);
  writer_.End(counts);
  writer_.End(positive);
  PutExemplars(11, series);
  writer_.Double(12, recorded.optionals.min);
  writer_.Double(13, recorded.optionals.max);
}

}  // namespace narthex::connectors
