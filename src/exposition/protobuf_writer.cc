#include "exposition/protobuf_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace narthex::exposition {
namespace {

using model::MetricType;

constexpr uint32_t kVarintType = 0, kFixed64Type = 1, kBytesType = 2;
// Gaps up to this long are filled with zeros; a span more would cost as much.
constexpr size_t kGapMax = 2;

void PutTag(std::string& out, uint32_t field, uint32_t type) {
  base::PutUvarint(out, field << 3 | type);
}
void PutVarint(std::string& out, uint32_t field, uint64_t value) {
  PutTag(out, field, kVarintType);
  base::PutUvarint(out, value);
}
void PutZigZag(std::string& out, uint32_t field, int64_t value) {
  PutVarint(out, field, base::ZigZag(value));
}
void PutDouble(std::string& out, uint32_t field, double value) {
  PutTag(out, field, kFixed64Type);
  char bytes[8];
  std::memcpy(bytes, &value, 8);
  out.append(bytes, 8);
}
void PutBytes(std::string& out, uint32_t field, std::string_view bytes) {
  PutTag(out, field, kBytesType);
  base::PutUvarintString(out, bytes);
}

void PutLabels(std::string& out, std::string_view labels) {
  for (const auto& [name, value] : SplitLabels(labels)) {
    std::string pair;
    PutBytes(pair, 1, name);
    PutBytes(pair, 2, value);
    PutBytes(out, 1, pair);
  }
}

std::string Encode(const ProtobufWriter::Exemplar& exemplar) {
  std::string out;
  PutLabels(out, exemplar.labels);
  PutDouble(out, 2, exemplar.value);
  if (exemplar.timestamp.has_value()) {
    std::string time;
    PutVarint(time, 1, static_cast<uint64_t>(*exemplar.timestamp / 1000));
    PutVarint(time, 2, static_cast<uint64_t>(*exemplar.timestamp % 1000 * 1'000'000));
    PutBytes(out, 3, time);
  }
  return out;
}

uint64_t TypeNumber(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return 0;
    case MetricType::kGauge:
      return 1;
    case MetricType::kSummary:
      return 2;
    case MetricType::kHistogram:
      return 4;
    default:
      return 3;
  }
}

// Spans of buckets that are not empty, and each count as the difference from the one before.
void PutSide(std::string& out, uint32_t span_field, uint32_t delta_field,
             const ProtobufWriter::NativeSide& side) {
  const auto& counts = side.counts;
  int64_t end = 0;  // Of the span before; the first span counts from 0.
  uint64_t before = 0;
  std::string deltas;
  for (size_t i = 0; i < counts.size();) {
    if (counts[i] == 0) {
      ++i;
      continue;
    }
    size_t last = i;  // Of this span.
    for (size_t next = i + 1; next < counts.size() && next - last <= kGapMax + 1; ++next) {
      if (counts[next] != 0) last = next;
    }
    const int64_t first = side.first + static_cast<int64_t>(i);
    std::string span;
    PutZigZag(span, 1, first - end);
    PutVarint(span, 2, last - i + 1);
    PutBytes(out, span_field, span);
    end = first + static_cast<int64_t>(last - i) + 1;
    for (; i <= last; ++i) {
      PutZigZag(deltas, delta_field, static_cast<int64_t>(counts[i] - before));
      before = counts[i];
    }
  }
  out += deltas;
}

void PutNative(std::string& out, const ProtobufWriter::Native& native) {
  PutZigZag(out, 5, native.schema);
  PutDouble(out, 6, native.zero_threshold);
  PutVarint(out, 7, native.zero_count);
  PutSide(out, 9, 10, native.negative);
  PutSide(out, 12, 13, native.positive);
  // A native histogram without a bucket has a span of nothing, so that it is not taken for a
  // classic one.
  const auto is_empty = [](const ProtobufWriter::NativeSide& side) {
    return std::ranges::all_of(side.counts, [](uint64_t count) { return count == 0; });
  };
  if (native.zero_count == 0 && is_empty(native.negative) && is_empty(native.positive)) {
    std::string span;
    PutZigZag(span, 1, 0);
    PutVarint(span, 2, 0);
    PutBytes(out, 12, span);
  }
}

// One metric: its labels, the message of its kind, its time.
void PutMetric(std::string& family, std::string_view labels, uint32_t field,
               std::string_view message, std::optional<model::Timestamp> timestamp) {
  std::string metric;
  PutLabels(metric, labels);
  PutBytes(metric, field, message);
  if (timestamp.has_value()) PutVarint(metric, 6, static_cast<uint64_t>(*timestamp));
  PutBytes(family, 4, metric);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> SplitLabels(std::string_view labels) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto quoted = [&] {
    std::string text;
    labels.remove_prefix(1);
    while (!labels.empty() && labels.front() != '"') {
      if (labels.front() == '\\' && labels.size() > 1) {
        labels.remove_prefix(1);
        text += labels.front() == 'n' ? '\n' : labels.front();
      } else {
        text += labels.front();
      }
      labels.remove_prefix(1);
    }
    if (!labels.empty()) labels.remove_prefix(1);
    return text;
  };
  while (!labels.empty()) {
    std::string name;
    if (labels.front() == '"') {
      name = quoted();
    } else {
      const size_t end = std::min(labels.find('='), labels.size());
      name = labels.substr(0, end);
      labels.remove_prefix(end);
    }
    if (!labels.starts_with("=\"")) break;
    labels.remove_prefix(1);
    out.emplace_back(std::move(name), quoted());
    if (labels.starts_with(',')) labels.remove_prefix(1);
  }
  return out;
}

void ProtobufWriter::BeginFamily(std::string_view name, MetricType type, std::string_view help) {
  EndFamily();
  is_open_ = true;
  type_ = type;
  PutBytes(family_, 1, name);
  PutBytes(family_, 2, help);
  PutVarint(family_, 3, TypeNumber(type));
}

void ProtobufWriter::Number(std::string_view labels, double value, const Exemplar* exemplar,
                            std::optional<model::Timestamp> timestamp) {
  std::string message;
  PutDouble(message, 1, value);
  if (type_ == MetricType::kCounter && exemplar != nullptr) PutBytes(message, 2, Encode(*exemplar));
  const uint32_t field = type_ == MetricType::kCounter ? 3 : type_ == MetricType::kGauge ? 2 : 5;
  PutMetric(family_, labels, field, message, timestamp);
}

void ProtobufWriter::Histogram(std::string_view labels, uint64_t count, double sum,
                               std::span<const Bucket> buckets, const Native* native,
                               std::optional<model::Timestamp> timestamp) {
  std::string message;
  PutVarint(message, 1, count);
  PutDouble(message, 2, sum);
  for (const Bucket& bucket : buckets) {
    std::string one;
    PutVarint(one, 1, bucket.cumulative_count);
    PutDouble(one, 2, bucket.upper_bound);
    if (bucket.exemplar != nullptr) PutBytes(one, 3, Encode(*bucket.exemplar));
    PutBytes(message, 3, one);
  }
  if (native != nullptr) PutNative(message, *native);
  PutMetric(family_, labels, 7, message, timestamp);
}

void ProtobufWriter::Summary(std::string_view labels, uint64_t count, double sum,
                             std::span<const std::pair<double, double>> quantiles,
                             std::optional<model::Timestamp> timestamp) {
  std::string message;
  PutVarint(message, 1, count);
  PutDouble(message, 2, sum);
  for (const auto& [quantile, value] : quantiles) {
    std::string one;
    PutDouble(one, 1, quantile);
    PutDouble(one, 2, value);
    PutBytes(message, 3, one);
  }
  PutMetric(family_, labels, 4, message, timestamp);
}

void ProtobufWriter::EndFamily() {
  if (!is_open_) return;
  base::PutUvarintString(out_, family_);
  family_.clear();
  is_open_ = false;
}

std::string ProtobufWriter::Finish() {
  EndFamily();
  return std::move(out_);
}

}  // namespace narthex::exposition
