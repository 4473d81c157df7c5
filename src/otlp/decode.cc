#include "otlp/decode.h"

#include <algorithm>
#include <utility>

#include "otlp/internal/wire.h"

namespace narthex::otlp {
namespace {

using base::Code;
using base::Fail;
using internal::Cursor;
using internal::WireType;

constexpr uint32_t Varint(uint32_t field) { return internal::Tag(field, WireType::kVarint); }
constexpr uint32_t Fixed(uint32_t field) { return internal::Tag(field, WireType::kFixed64); }
constexpr uint32_t Bytes(uint32_t field) { return internal::Tag(field, WireType::kBytes); }

// The index takes memory that the sender does not pay for: an empty point is two bytes on the wire.
// Real points are 20 bytes and more, so that this ratio only stops forgeries.
constexpr size_t kIndexBytesPerByte = 16;
constexpr size_t kIndexBytesFree = 1 << 20;

// Repeated fields that ought to be one behind the other: a view while they are, a copy once
// something lies between them.
class Run {
 public:
  void Add(std::string_view piece) {
    if (spilled_ != nullptr) {
      spilled_->append(piece);
    } else if (view_.empty()) {
      view_ = piece;
    } else if (view_.data() + view_.size() == piece.data()) {
      view_ = {view_.data(), view_.size() + piece.size()};
    } else {
      spilled_ = std::make_unique<std::string>(view_);
      spilled_->append(piece);
    }
  }
  std::string_view Finish(Batch& batch) {
    if (spilled_ == nullptr) return view_;
    return *batch.buffers.emplace_back(std::make_shared<const std::string>(*std::move(spilled_)));
  }

 private:
  std::string_view view_;
  std::unique_ptr<std::string> spilled_;
};

class Decoder {
 public:
  explicit Decoder(std::string request) {
    index_bytes_max_ = request.size() * kIndexBytesPerByte + kIndexBytesFree;
    batch_.buffers.push_back(std::make_shared<const std::string>(std::move(request)));
    begin_ = batch_.buffers[0]->data();
  }

  base::Result<Batch> Decode() {
    Cursor cursor(*batch_.buffers[0]);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == Bytes(1)) {
        DecodeResourceMetrics(cursor.ReadBytes());
      } else {
        cursor.Skip(tag);
      }
      if (bad_ != nullptr || is_too_dense_) break;
    }
    Check(cursor);
    if (is_too_dense_) {
      return Fail(Code::kInvalidArgument,
                  "protobuf: the request consists of empty messages, more than can be meant");
    }
    if (bad_ != nullptr) {
      return Fail(Code::kInvalidArgument, "protobuf: offset {}: {}", bad_ - begin_, reason_);
    }
    return std::move(batch_);
  }

 private:
  void Check(const Cursor& cursor) {
    if (!cursor.ok()) SetBad(cursor.bad(), "damaged or truncated field");
  }
  void SetBad(const char* at, const char* reason) {
    if (bad_ != nullptr) return;
    bad_ = at;
    reason_ = reason;
  }
  // Accounts for one more record.
  template <class Record>
  Record& Add(std::vector<Record>& records, Record record) {
    index_bytes_ += sizeof(Record);
    if (index_bytes_ > index_bytes_max_) is_too_dense_ = true;
    return records.emplace_back(std::move(record));
  }
  bool Stop() const { return bad_ != nullptr || is_too_dense_; }

  void DecodeResourceMetrics(std::string_view message) {
    ResourceMetrics resource{.raw = message,
                             .first_scope = static_cast<uint32_t>(batch_.scopes.size())};
    Run resource_fields;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          resource_fields.Add(cursor.ReadBytes());  // Messages that lie apart merge by joining.
          break;
        case Bytes(1000):
          resource.raw = {};  // Goes on under its present number.
          [[fallthrough]];
        case Bytes(2):
          DecodeScopeMetrics(cursor.ReadBytes());
          break;
        case Bytes(3):
          resource.schema_url = cursor.ReadBytes();
          break;
        default:
          cursor.Skip(tag);
      }
      if (Stop()) return;
    }
    Check(cursor);
    resource.scope_count = static_cast<uint32_t>(batch_.scopes.size()) - resource.first_scope;
    resource.resource_raw = resource_fields.Finish(batch_);
    resource.attributes = AttributesOf(resource.resource_raw, Bytes(1));
    Add(batch_.resources, resource);
  }

  // The run of attributes among the fields of a message.
  std::string_view AttributesOf(std::string_view message, uint32_t attribute_tag) {
    Run attributes;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == attribute_tag) {
        AddAttribute(cursor, attributes);
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
    return attributes.Finish(batch_);
  }

  void DecodeScopeMetrics(std::string_view message) {
    Scope scope{.raw = message, .first_metric = static_cast<uint32_t>(batch_.metrics.size())};
    Run scope_fields;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          scope_fields.Add(cursor.ReadBytes());
          break;
        case Bytes(2):
          DecodeMetric(cursor.ReadBytes());
          break;
        case Bytes(3):
          scope.schema_url = cursor.ReadBytes();
          break;
        default:
          cursor.Skip(tag);
      }
      if (Stop()) return;
    }
    Check(cursor);
    scope.metric_count = static_cast<uint32_t>(batch_.metrics.size()) - scope.first_metric;
    scope.scope_raw = scope_fields.Finish(batch_);
    DecodeScope(scope);
    Add(batch_.scopes, scope);
  }

  void DecodeScope(Scope& scope) {
    Run attributes;
    Cursor cursor(scope.scope_raw);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          scope.name = cursor.ReadBytes();
          break;
        case Bytes(2):
          scope.version = cursor.ReadBytes();
          break;
        case Bytes(3):
          AddAttribute(cursor, attributes);
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    scope.attributes = attributes.Finish(batch_);
  }

  void DecodeMetric(std::string_view message) {
    Metric metric{.raw = message};
    Run metadata;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          metric.name = cursor.ReadBytes();
          break;
        case Bytes(2):
          metric.description = cursor.ReadBytes();
          break;
        case Bytes(3):
          metric.unit = cursor.ReadBytes();
          break;
        case Bytes(5):
        case Bytes(7):
        case Bytes(9):
        case Bytes(10):
        case Bytes(11):
          DecodeData(static_cast<MetricKind>(tag >> 3), cursor.ReadBytes(), metric);
          break;
        case Bytes(12):
          AddAttribute(cursor, metadata);
          break;
        default:
          cursor.Skip(tag);
      }
      if (Stop()) return;
    }
    Check(cursor);
    metric.metadata = metadata.Finish(batch_);
    Add(batch_.metrics, metric);
  }

  // A data field. One of another kind replaces what came before, one of the same adds to it.
  void DecodeData(MetricKind kind, std::string_view message, Metric& metric) {
    if (metric.kind != kind) {
      ErasePoints(metric);
      metric.kind = kind;
      metric.first_point = static_cast<uint32_t>(PointsOf(kind));
      metric.temporality = Temporality::kUnspecified;
      metric.is_monotonic = false;
    }
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          DecodePoint(kind, cursor.ReadBytes());
          break;
        case Varint(2): {
          const uint64_t temporality = cursor.ReadVarint();
          if (kind != MetricKind::kGauge && kind != MetricKind::kSummary) {
            metric.temporality = temporality <= 2 ? static_cast<Temporality>(temporality)
                                                  : Temporality::kUnspecified;
          }
          break;
        }
        case Varint(3):
          metric.is_monotonic = cursor.ReadVarint() != 0 && kind == MetricKind::kSum;
          break;
        default:
          cursor.Skip(tag);
      }
      if (Stop()) return;
    }
    Check(cursor);
    metric.point_count = static_cast<uint32_t>(PointsOf(kind)) - metric.first_point;
  }

  size_t PointsOf(MetricKind kind) const {
    switch (kind) {
      case MetricKind::kNone:
        return 0;
      case MetricKind::kGauge:
      case MetricKind::kSum:
        return batch_.numbers.size();
      case MetricKind::kHistogram:
        return batch_.histograms.size();
      case MetricKind::kExponentialHistogram:
        return batch_.exponentials.size();
      case MetricKind::kSummary:
        return batch_.summaries.size();
    }
    return 0;
  }

  // REQUIRES: the metric's points are the last of their kind.
  void ErasePoints(Metric& metric) {
    switch (metric.kind) {
      case MetricKind::kNone:
        break;
      case MetricKind::kGauge:
      case MetricKind::kSum:
        batch_.numbers.resize(metric.first_point);
        break;
      case MetricKind::kHistogram:
        batch_.histograms.resize(metric.first_point);
        break;
      case MetricKind::kExponentialHistogram:
        batch_.exponentials.resize(metric.first_point);
        break;
      case MetricKind::kSummary:
        batch_.summaries.resize(metric.first_point);
        break;
    }
    metric.point_count = 0;
  }

  void DecodePoint(MetricKind kind, std::string_view message) {
    switch (kind) {
      case MetricKind::kNone:
        return;
      case MetricKind::kGauge:
      case MetricKind::kSum:
        return DecodeNumber(message);
      case MetricKind::kHistogram:
        return DecodeHistogram(message);
      case MetricKind::kExponentialHistogram:
        return DecodeExponential(message);
      case MetricKind::kSummary:
        return DecodeSummary(message);
    }
  }

  void DecodeNumber(std::string_view message) {
    NumberPoint& point = Add(batch_.numbers, NumberPoint{.raw = message});
    Run attributes;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Fixed(2):
          point.start_ns = cursor.ReadFixed64();
          break;
        case Fixed(3):
          point.time_ns = cursor.ReadFixed64();
          break;
        case Fixed(4):
          point.bits = cursor.ReadFixed64();
          point.type = NumberPoint::Type::kDouble;
          break;
        case Fixed(6):
          point.bits = cursor.ReadFixed64();
          point.type = NumberPoint::Type::kInt;
          break;
        case Bytes(5):
          CheckExemplar(cursor.ReadBytes());
          point.has_exemplars = true;
          break;
        case Bytes(7):
          AddAttribute(cursor, attributes);
          break;
        case Varint(8):
          point.flags = static_cast<uint32_t>(cursor.ReadVarint());
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    point.attributes = attributes.Finish(batch_);
  }

  static void Set(bool& has, double& value, Cursor& cursor) {
    has = true;
    value = std::bit_cast<double>(cursor.ReadFixed64());
  }

  void DecodeHistogram(std::string_view message) {
    HistogramPoint point{.raw = message};
    Run attributes, counts, bounds;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Fixed(2):
          point.start_ns = cursor.ReadFixed64();
          break;
        case Fixed(3):
          point.time_ns = cursor.ReadFixed64();
          break;
        case Fixed(4):
          point.count = cursor.ReadFixed64();
          break;
        case Fixed(5):
          Set(point.optionals.has_sum, point.optionals.sum, cursor);
          break;
        case Fixed(6):
        case Bytes(6):
          AddWords(tag, cursor, counts);
          break;
        case Fixed(7):
        case Bytes(7):
          AddWords(tag, cursor, bounds);
          break;
        case Bytes(8):
          CheckExemplar(cursor.ReadBytes());
          point.has_exemplars = true;
          break;
        case Bytes(9):
          AddAttribute(cursor, attributes);
          break;
        case Varint(10):
          point.flags = static_cast<uint32_t>(cursor.ReadVarint());
          break;
        case Fixed(11):
          Set(point.optionals.has_min, point.optionals.min, cursor);
          break;
        case Fixed(12):
          Set(point.optionals.has_max, point.optionals.max, cursor);
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    point.attributes = attributes.Finish(batch_);
    point.bucket_counts = Words(counts.Finish(batch_));
    point.explicit_bounds = Words(bounds.Finish(batch_));
    Add(batch_.histograms, point);
  }

  void DecodeExponential(std::string_view message) {
    ExponentialHistogramPoint point{.raw = message};
    Run attributes, positive, negative;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          AddAttribute(cursor, attributes);
          break;
        case Fixed(2):
          point.start_ns = cursor.ReadFixed64();
          break;
        case Fixed(3):
          point.time_ns = cursor.ReadFixed64();
          break;
        case Fixed(4):
          point.count = cursor.ReadFixed64();
          break;
        case Fixed(5):
          Set(point.optionals.has_sum, point.optionals.sum, cursor);
          break;
        case Varint(6):
          point.scale = ZigZag32(cursor.ReadVarint());
          break;
        case Fixed(7):
          point.zero_count = cursor.ReadFixed64();
          break;
        case Bytes(8):
          positive.Add(cursor.ReadBytes());
          break;
        case Bytes(9):
          negative.Add(cursor.ReadBytes());
          break;
        case Varint(10):
          point.flags = static_cast<uint32_t>(cursor.ReadVarint());
          break;
        case Bytes(11):
          CheckExemplar(cursor.ReadBytes());
          break;
        case Fixed(12):
          Set(point.optionals.has_min, point.optionals.min, cursor);
          break;
        case Fixed(13):
          Set(point.optionals.has_max, point.optionals.max, cursor);
          break;
        case Fixed(14):
          point.zero_threshold = std::bit_cast<double>(cursor.ReadFixed64());
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    point.attributes = attributes.Finish(batch_);
    point.positive = DecodeBuckets(positive.Finish(batch_));
    point.negative = DecodeBuckets(negative.Finish(batch_));
    Add(batch_.exponentials, point);
  }

  static int32_t ZigZag32(uint64_t value) {
    const auto word = static_cast<uint32_t>(value);
    return static_cast<int32_t>((word >> 1) ^ (0u - (word & 1)));
  }

  ExponentialBuckets DecodeBuckets(std::string_view message) {
    ExponentialBuckets buckets;
    Run counts;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == Varint(1)) {
        buckets.offset = ZigZag32(cursor.ReadVarint());
      } else if (tag == Varint(2)) {
        const char* from = cursor.at();
        cursor.ReadVarint();
        if (cursor.ok()) counts.Add({from, static_cast<size_t>(cursor.at() - from)});
      } else if (tag == Bytes(2)) {
        const std::string_view packed = cursor.ReadBytes();
        Cursor values(packed);
        while (values.ok() && !values.empty()) values.ReadVarint();
        Check(values);
        counts.Add(packed);
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
    buckets.counts = counts.Finish(batch_);
    return buckets;
  }

  void DecodeSummary(std::string_view message) {
    SummaryPoint point{.raw = message};
    Run attributes, quantiles;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Fixed(2):
          point.start_ns = cursor.ReadFixed64();
          break;
        case Fixed(3):
          point.time_ns = cursor.ReadFixed64();
          break;
        case Fixed(4):
          point.count = cursor.ReadFixed64();
          break;
        case Fixed(5):
          point.sum = std::bit_cast<double>(cursor.ReadFixed64());
          break;
        case Bytes(6): {
          Cursor quantile(cursor.ReadBytes());
          while (const uint32_t inner = quantile.NextTag()) quantile.Skip(inner);
          Check(quantile);
          AddField(cursor, quantiles);
          break;
        }
        case Bytes(7):
          AddAttribute(cursor, attributes);
          break;
        case Varint(8):
          point.flags = static_cast<uint32_t>(cursor.ReadVarint());
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    point.attributes = attributes.Finish(batch_);
    point.quantiles = quantiles.Finish(batch_);
    Add(batch_.summaries, point);
  }

  // Repeated 8-byte words, packed or one by one.
  void AddWords(uint32_t tag, Cursor& cursor, Run& words) {
    if ((tag & 7) == static_cast<uint32_t>(WireType::kBytes)) {
      const std::string_view packed = cursor.ReadBytes();
      if (packed.size() % 8 != 0) cursor.Bad();
      words.Add(packed.substr(0, packed.size() & ~size_t{7}));
      return;
    }
    const char* from = cursor.at();
    cursor.ReadFixed64();
    if (cursor.ok()) words.Add({from, 8});
  }

  // The field that was just read, tag included.
  static void AddField(const Cursor& cursor, Run& run) {
    if (!cursor.ok()) return;
    run.Add({cursor.field(), static_cast<size_t>(cursor.at() - cursor.field())});
  }

  void AddAttribute(Cursor& cursor, Run& attributes) {
    CheckKeyValue(cursor.ReadBytes());
    AddField(cursor, attributes);
  }

  void CheckKeyValue(std::string_view message) {
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == Bytes(2)) {
        const std::string_view value = cursor.ReadBytes();
        // A string of less than 128 bytes and nothing else, which is what attributes mostly are.
        if (value.size() >= 2 && static_cast<uint8_t>(value[0]) == Bytes(1) &&
            static_cast<uint8_t>(value[1]) == value.size() - 2 && value.size() < 130) {
          continue;
        }
        CheckValue(value);
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
  }

  // Walks an AnyValue to any depth that is allowed, without recursion.
  void CheckValue(std::string_view message) {
    enum class In : uint8_t { kValue, kArray, kMap, kKeyValue };
    struct Open {
      In in;
      Cursor cursor;
    };
    std::vector<Open> open = {{In::kValue, Cursor(message)}};
    while (!open.empty()) {
      Open& top = open.back();
      const uint32_t tag = top.cursor.NextTag();
      if (tag == 0) {
        Check(top.cursor);
        if (Stop()) return;
        open.pop_back();
        continue;
      }
      const In in = top.in;
      std::optional<In> child;
      if (in == In::kValue && tag == Bytes(5)) child = In::kArray;
      if (in == In::kValue && tag == Bytes(6)) child = In::kMap;
      if (in == In::kArray && tag == Bytes(1)) child = In::kValue;
      if (in == In::kMap && tag == Bytes(1)) child = In::kKeyValue;
      if (in == In::kKeyValue && tag == Bytes(2)) child = In::kValue;
      if (!child.has_value()) {
        top.cursor.Skip(tag);
        continue;
      }
      const std::string_view inner = top.cursor.ReadBytes();
      // A level of nesting is at most three messages: value, map, key-value.
      if (open.size() >= 3 * kValueDepthMax) return SetBad(inner.data(), "values nest too deeply");
      open.push_back({*child, Cursor(inner)});
    }
  }

  void CheckExemplar(std::string_view message) {
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == Bytes(7)) {
        CheckKeyValue(cursor.ReadBytes());
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
  }

  Batch batch_;
  const char* begin_;
  const char* bad_ = nullptr;
  const char* reason_ = "";
  size_t index_bytes_ = 0;
  size_t index_bytes_max_;
  bool is_too_dense_ = false;
};

}  // namespace

base::Result<Batch> DecodeMetrics(std::string request) {
  // Counts and offsets in the index are 32 bits.
  if (request.size() > UINT32_MAX) {
    return Fail(Code::kInvalidArgument, "protobuf: the request is larger than 4 GiB");
  }
  return Decoder(std::move(request)).Decode();
}

}  // namespace narthex::otlp
