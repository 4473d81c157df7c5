#include "exporters/prometheusremotewrite/message.h"

#include <bit>

namespace narthex::exporters {
namespace {

uint64_t TypeNumber(model::MetricType type) {
  switch (type) {
    case model::MetricType::kCounter:
      return 1;
    case model::MetricType::kGauge:
      return 2;
    case model::MetricType::kHistogram:
      return 3;
    case model::MetricType::kSummary:
      return 5;
    default:
      return 0;
  }
}

void PutSide(otlp::Writer& writer, uint32_t spans, uint32_t deltas,
             const WireHistogram::Side& side) {
  if (side.counts.empty()) return;
  const auto span = writer.Begin(spans);
  if (side.offset != 0) writer.ZigZag(1, side.offset);
  writer.Varint(2, side.counts.size());
  writer.End(span);
  const auto packed = writer.Begin(deltas);
  uint64_t last = 0;
  for (const uint64_t count : side.counts) {
    writer.PutVarint(base::ZigZag(static_cast<int64_t>(count - last)));
    last = count;
  }
  writer.End(packed);
}

}  // namespace

void Message::StartSymbols() {
  symbols_.clear();
  order_.clear();
  symbol_bytes_ = 0;
  if (is_version_2_) Symbol("");
}

uint32_t Message::Symbol(std::string_view text) {
  const auto [place, is_new] =
      symbols_.emplace(std::string(text), static_cast<uint32_t>(order_.size()));
  if (is_new) {
    order_.emplace_back(text);
    symbol_bytes_ += text.size() + 3;
  }
  return place->second;
}

void Message::PutLabels(const LabelPairs& labels) {
  if (is_version_2_) {
    const auto packed = writer_.Begin(1);
    for (const auto& [name, value] : labels) {
      writer_.PutVarint(Symbol(name));
      writer_.PutVarint(Symbol(value));
    }
    writer_.End(packed);
    return;
  }
  for (const auto& [name, value] : labels) {
    const auto label = writer_.Begin(1);
    writer_.Bytes(1, name);
    writer_.Bytes(2, value);
    writer_.End(label);
  }
}

void Message::PutExemplars(const std::vector<WireExemplar>& exemplars) {
  for (const WireExemplar& exemplar : exemplars) {
    const auto mark = writer_.Begin(is_version_2_ ? 4 : 3);
    PutLabels(exemplar.labels);
    writer_.Double(2, exemplar.value);
    writer_.Varint(3, static_cast<uint64_t>(exemplar.time_ms));
    writer_.End(mark);
  }
}

void Message::PutTail(const WireMetadata& metadata, int64_t created_ms) {
  if (!is_version_2_) return;
  const auto mark = writer_.Begin(5);
  if (const uint64_t type = TypeNumber(metadata.type); type != 0) writer_.Varint(1, type);
  if (!metadata.help.empty()) writer_.Varint(3, Symbol(metadata.help));
  if (!metadata.unit.empty()) writer_.Varint(4, Symbol(metadata.unit));
  writer_.End(mark);
  if (created_ms != 0) writer_.Varint(6, static_cast<uint64_t>(created_ms));
}

void Message::AddSample(const LabelPairs& labels, double value, int64_t time_ms, int64_t created_ms,
                        const std::vector<WireExemplar>& exemplars, const WireMetadata& metadata) {
  ++element_count_;
  const auto series = writer_.Begin(is_version_2_ ? 5 : 1);
  PutLabels(labels);
  const auto sample = writer_.Begin(2);
  writer_.Double(1, value);
  writer_.Varint(2, static_cast<uint64_t>(time_ms));
  writer_.End(sample);
  PutExemplars(exemplars);
  PutTail(metadata, created_ms);
  writer_.End(series);
}

void Message::PutHistogram(uint32_t field, const WireHistogram& histogram, int64_t time_ms) {
  const auto mark = writer_.Begin(field);
  writer_.Varint(1, histogram.count);
  writer_.Double(3, histogram.sum);
  writer_.ZigZag(4, histogram.schema);
  writer_.Double(5, histogram.zero_threshold);
  writer_.Varint(6, histogram.zero_count);
  PutSide(writer_, 8, 9, histogram.negative);
  PutSide(writer_, 11, 12, histogram.positive);
  writer_.Varint(15, static_cast<uint64_t>(time_ms));
  writer_.End(mark);
}

void Message::AddHistogram(const LabelPairs& labels, const WireHistogram& histogram,
                           int64_t time_ms, int64_t created_ms,
                           const std::vector<WireExemplar>& exemplars,
                           const WireMetadata& metadata) {
  ++element_count_;
  const auto series = writer_.Begin(is_version_2_ ? 5 : 1);
  PutLabels(labels);
  PutHistogram(is_version_2_ ? 3 : 4, histogram, time_ms);
  PutExemplars(exemplars);
  PutTail(metadata, created_ms);
  writer_.End(series);
}

void Message::AddMetadata(const WireMetadata& metadata) {
  if (is_version_2_) return;
  const auto mark = writer_.Begin(3);
  if (const uint64_t type = TypeNumber(metadata.type); type != 0) writer_.Varint(1, type);
  writer_.Bytes(2, metadata.family);
  if (!metadata.help.empty()) writer_.Bytes(4, metadata.help);
  if (!metadata.unit.empty()) writer_.Bytes(5, metadata.unit);
  writer_.End(mark);
}

std::string Message::Take() {
  std::string series = writer_.Take();
  writer_ = otlp::Writer();
  element_count_ = 0;
  if (!is_version_2_) return series;
  otlp::Writer whole;
  whole.Reserve(series.size() + symbol_bytes_);
  for (const std::string& symbol : order_) whole.Bytes(4, symbol);
  whole.Raw(series);
  StartSymbols();
  return whole.Take();
}

}  // namespace narthex::exporters
