#include "otlp/decode.h"

#include <utility>

#include "otlp/internal/decoding.h"

namespace narthex::otlp {
namespace {

using internal::Bytes;
using internal::Cursor;
using internal::Fixed;
using internal::Run;
using internal::Varint;
using internal::WireType;

class Decoder : private internal::Decoding {
 public:
  explicit Decoder(std::string request) : Decoding(std::move(request)) {}

  base::Result<Batch> Decode() {
    Cursor cursor(request());
    while (const uint32_t tag = Stop() ? 0 : cursor.NextTag()) {
      if (tag == Bytes(1)) {
        DecodeResourceMetrics(cursor.ReadBytes());
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
    RETURN_IF_ERROR(Verdict());
    batch_.buffers = std::move(buffers());
    return std::move(batch_);
  }

 private:
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
    resource.resource_raw = resource_fields.Finish(buffers());
    resource.attributes = AttributesOf(resource.resource_raw, Bytes(1));
    Add(batch_.resources, resource);
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
    scope.scope_raw = scope_fields.Finish(buffers());
    ReadScope(scope.scope_raw, scope);
    Add(batch_.scopes, scope);
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
    metric.metadata = metadata.Finish(buffers());
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
    point.attributes = attributes.Finish(buffers());
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
    point.attributes = attributes.Finish(buffers());
    point.bucket_counts = Words(counts.Finish(buffers()));
    point.explicit_bounds = Words(bounds.Finish(buffers()));
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
    point.attributes = attributes.Finish(buffers());
    point.positive = DecodeBuckets(positive.Finish(buffers()));
    point.negative = DecodeBuckets(negative.Finish(buffers()));
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
    buckets.counts = counts.Finish(buffers());
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
    point.attributes = attributes.Finish(buffers());
    point.quantiles = quantiles.Finish(buffers());
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
};

}  // namespace

base::Result<Batch> DecodeMetrics(std::string request) {
  return Decoder(std::move(request)).Decode();
}

}  // namespace narthex::otlp
