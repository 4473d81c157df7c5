#include "exposition/protobuf_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <protozero/pbf_message.hpp>

#include "exposition/writer.h"

namespace narthex::exposition {

using base::Code;
using model::MetricType;
using protozero::pbf_tag_type;

namespace {

// Field numbers. Source: client_model, io/prometheus/client/metrics.proto.
enum class FamilyField : pbf_tag_type { kName = 1, kHelp = 2, kType = 3, kMetric = 4, kUnit = 5 };
enum class MetricField : pbf_tag_type {
  kLabel = 1,
  kGauge = 2,
  kCounter = 3,
  kSummary = 4,
  kUntyped = 5,
  kTimestampMs = 6,
  kHistogram = 7,
};
enum class LabelField : pbf_tag_type { kName = 1, kValue = 2 };
enum class NumberField : pbf_tag_type { kValue = 1, kExemplar = 2, kCreated = 3 };  // Of three.
enum class SummaryField : pbf_tag_type { kCount = 1, kSum = 2, kQuantile = 3, kCreated = 4 };
enum class QuantileField : pbf_tag_type { kQuantile = 1, kValue = 2 };
enum class BucketField : pbf_tag_type {
  kCumulativeCount = 1,
  kUpperBound = 2,
  kExemplar = 3,
  kCumulativeCountFloat = 4,
};
enum class HistogramField : pbf_tag_type {
  kCount = 1,
  kSum = 2,
  kBucket = 3,
  kCountFloat = 4,
  kSchema = 5,
  kZeroThreshold = 6,
  kZeroCount = 7,
  kZeroCountFloat = 8,
  kNegativeSpan = 9,
  kNegativeDelta = 10,
  kNegativeCount = 11,
  kPositiveSpan = 12,
  kPositiveDelta = 13,
  kPositiveCount = 14,
  kCreated = 15,
  kExemplars = 16,
};
enum class SpanField : pbf_tag_type { kOffset = 1, kLength = 2 };
enum class ExemplarField : pbf_tag_type { kLabel = 1, kValue = 2, kTimestamp = 3 };
enum class TimeField : pbf_tag_type { kSeconds = 1, kNanos = 2 };

template <class Field>
using Reader = protozero::pbf_message<Field>;

template <class Field>
Reader<Field> Read(std::string_view message) {
  return Reader<Field>(message.data(), message.size());
}

// A field as the protocol has it; with another wire type it is an unknown one, and passed over.
template <class Field>
constexpr uint32_t AsVarint(Field field) {
  return protozero::tag_and_type(field, protozero::pbf_wire_type::varint);
}
template <class Field>
constexpr uint32_t AsDouble(Field field) {
  return protozero::tag_and_type(field, protozero::pbf_wire_type::fixed64);
}
template <class Field>
constexpr uint32_t AsBytes(Field field) {
  return protozero::tag_and_type(field, protozero::pbf_wire_type::length_delimited);
}

template <class Field>
std::string_view Bytes(Reader<Field>& reader) {
  const protozero::data_view view = reader.get_view();
  return {view.data(), view.size()};
}

// Repeated numbers may be packed or not.
void ReadDeltas(Reader<HistogramField>& reader, std::vector<int64_t>& out) {
  if (reader.wire_type() != protozero::pbf_wire_type::length_delimited) {
    out.push_back(reader.get_sint64());
    return;
  }
  for (const int64_t delta : reader.get_packed_sint64()) out.push_back(delta);
}
void ReadDoubles(Reader<HistogramField>& reader, std::vector<double>& out) {
  if (reader.wire_type() != protozero::pbf_wire_type::length_delimited) {
    out.push_back(reader.get_double());
    return;
  }
  for (const double value : reader.get_packed_double()) out.push_back(value);
}

model::BucketSpan ReadSpan(std::string_view message) {
  model::BucketSpan span;
  for (auto reader = Read<SpanField>(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case AsVarint(SpanField::kOffset):
        span.offset = reader.get_sint32();
        break;
      case AsVarint(SpanField::kLength):
        span.length = reader.get_uint32();
        break;
      default:
        reader.skip();
    }
  }
  return span;
}

model::Label ReadLabel(std::string_view message) {
  model::Label label;
  for (auto reader = Read<LabelField>(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case AsBytes(LabelField::kName):
        label.name = Bytes(reader);
        break;
      case AsBytes(LabelField::kValue):
        label.value = Bytes(reader);
        break;
      default:
        reader.skip();
    }
  }
  return label;
}

model::Timestamp ReadTime(std::string_view message) {
  int64_t seconds = 0, nanos = 0;
  for (auto reader = Read<TimeField>(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case AsVarint(TimeField::kSeconds):
        seconds = reader.get_int64();
        break;
      case AsVarint(TimeField::kNanos):
        nanos = reader.get_int32();
        break;
      default:
        reader.skip();
    }
  }
  constexpr int64_t kSecondsMax = std::numeric_limits<int64_t>::max() / 1000 - 1;
  return std::clamp(seconds, -kSecondsMax, kSecondsMax) * 1000 + nanos / 1'000'000;
}

// Exemplars whose labels cannot be are left out, as bad exemplars are never a reason to refuse.
std::optional<model::Exemplar> ReadExemplar(std::string_view message) {
  model::Exemplar exemplar;
  std::vector<model::Label> labels;
  for (auto reader = Read<ExemplarField>(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case AsBytes(ExemplarField::kLabel):
        labels.push_back(ReadLabel(Bytes(reader)));
        break;
      case AsDouble(ExemplarField::kValue):
        exemplar.value = reader.get_double();
        break;
      case AsBytes(ExemplarField::kTimestamp):
        exemplar.timestamp = ReadTime(Bytes(reader));
        break;
      default:
        reader.skip();
    }
  }
  base::Result<model::Labels> built = model::Labels::From(std::move(labels));
  if (!built) return std::nullopt;
  exemplar.labels = *std::move(built);
  return exemplar;
}

// A stale marker is no value to expose: any NaN is the ordinary one.
double Ordinary(double value) { return std::isnan(value) ? model::NormalNan() : value; }

MetricType TypeOf(int32_t number) {
  switch (number) {
    case 0:
      return MetricType::kCounter;
    case 1:
      return MetricType::kGauge;
    case 2:
      return MetricType::kSummary;
    case 4:
      return MetricType::kHistogram;
    case 5:
      return MetricType::kGaugeHistogram;
    default:
      return MetricType::kUnknown;
  }
}

}  // namespace

struct ProtobufParser::Bucket {
  double upper_bound = 0;
  double cumulative = 0;
  std::optional<model::Exemplar> exemplar;

  static Bucket Read(std::string_view message) {
    Bucket bucket;
    for (auto reader = exposition::Read<BucketField>(message); reader.next();) {
      switch (reader.tag_and_type()) {
        case AsVarint(BucketField::kCumulativeCount):
          bucket.cumulative = static_cast<double>(reader.get_uint64());
          break;
        case AsDouble(BucketField::kCumulativeCountFloat):
          if (const double count = reader.get_double(); count > 0) bucket.cumulative = count;
          break;
        case AsDouble(BucketField::kUpperBound):
          bucket.upper_bound = reader.get_double();
          break;
        case AsBytes(BucketField::kExemplar):
          bucket.exemplar = ReadExemplar(Bytes(reader));
          break;
        default:
          reader.skip();
      }
    }
    return bucket;
  }
};

struct ProtobufParser::HistogramMessage {
  model::IntegerHistogram whole;
  model::FloatHistogram floats;  // Only what differs.
  std::vector<Bucket> buckets;
  std::vector<model::Exemplar> exemplars;
  std::optional<model::Timestamp> created;

  bool is_float() const { return floats.count > 0 || floats.zero_count > 0; }
  // Native histograms without observations have a span of no buckets.
  bool is_native() const {
    return !whole.positive_spans.empty() || !whole.negative_spans.empty() ||
           whole.zero_threshold > 0 || whole.zero_count > 0 || floats.zero_count > 0;
  }
  double count() const { return is_float() ? floats.count : static_cast<double>(whole.count); }

  static HistogramMessage Read(std::string_view message) {
    HistogramMessage read;
    for (auto reader = exposition::Read<HistogramField>(message); reader.next();) {
      switch (reader.tag_and_type()) {
        case AsVarint(HistogramField::kCount):
          read.whole.count = reader.get_uint64();
          break;
        case AsDouble(HistogramField::kSum):
          read.whole.sum = Ordinary(reader.get_double());
          break;
        case AsBytes(HistogramField::kBucket):
          read.buckets.push_back(Bucket::Read(Bytes(reader)));
          break;
        case AsDouble(HistogramField::kCountFloat):
          read.floats.count = reader.get_double();
          break;
        case AsVarint(HistogramField::kSchema):
          read.whole.schema = reader.get_sint32();
          break;
        case AsDouble(HistogramField::kZeroThreshold):
          read.whole.zero_threshold = reader.get_double();
          break;
        case AsVarint(HistogramField::kZeroCount):
          read.whole.zero_count = reader.get_uint64();
          break;
        case AsDouble(HistogramField::kZeroCountFloat):
          read.floats.zero_count = reader.get_double();
          break;
        case AsBytes(HistogramField::kNegativeSpan):
          read.whole.negative_spans.push_back(ReadSpan(Bytes(reader)));
          break;
        case AsVarint(HistogramField::kNegativeDelta):
        case AsBytes(HistogramField::kNegativeDelta):
          ReadDeltas(reader, read.whole.negative_deltas);
          break;
        case AsDouble(HistogramField::kNegativeCount):
        case AsBytes(HistogramField::kNegativeCount):
          ReadDoubles(reader, read.floats.negative);
          break;
        case AsBytes(HistogramField::kPositiveSpan):
          read.whole.positive_spans.push_back(ReadSpan(Bytes(reader)));
          break;
        case AsVarint(HistogramField::kPositiveDelta):
        case AsBytes(HistogramField::kPositiveDelta):
          ReadDeltas(reader, read.whole.positive_deltas);
          break;
        case AsDouble(HistogramField::kPositiveCount):
        case AsBytes(HistogramField::kPositiveCount):
          ReadDoubles(reader, read.floats.positive);
          break;
        case AsBytes(HistogramField::kCreated):
          read.created = ReadTime(Bytes(reader));
          break;
        case AsBytes(HistogramField::kExemplars):
          if (auto exemplar = ReadExemplar(Bytes(reader))) {
            read.exemplars.push_back(*std::move(exemplar));
          }
          break;
        default:
          reader.skip();
      }
    }
    return read;
  }
};

ProtobufParser::ProtobufParser(std::string_view body, Options options)
    : body_(body), options_(options) {}

base::Status ProtobufParser::Fail(std::string_view cause) const {
  return base::Fail(Code::kInvalidArgument, "byte {}: {}", family_begin_, cause);
}

base::Result<std::optional<ProtobufParser::Entry>> ProtobufParser::Next() {
  for (;;) {
    if (next_item_ < items_.size()) {
      item_ = next_item_++;
      entry_ = items_[item_].entry;
      return entry_;
    }
    // Help, type and unit come before the first metric, each once.
    while (headers_ < 3) {
      const unsigned header = headers_++;
      if (header == 0) return entry_ = Entry::kType;
      if (header == 1 && !help_.empty()) return entry_ = Entry::kHelp;
      if (header == 2 && !unit_.empty()) return entry_ = Entry::kUnit;
    }
    try {
      if (metric_ < metrics_.size()) {
        RETURN_IF_ERROR(OpenMetric(metrics_[metric_++]));
        continue;
      }
      if (at_ == body_.size()) return std::nullopt;
      RETURN_IF_ERROR(OpenFamily());
    } catch (const protozero::exception& malformed) {
      return std::unexpected(Fail(fmt::format("malformed protobuf: {}", malformed.what())).error());
    }
  }
}

base::Status ProtobufParser::OpenFamily() {
  family_begin_ = at_;
  const char* at = body_.data() + at_;
  const char* const end = body_.data() + body_.size();
  const uint64_t size = protozero::decode_varint(&at, end);
  if (size > static_cast<uint64_t>(end - at)) return Fail("the exposition ends within a family");
  const std::string_view message(at, size);
  at_ = static_cast<size_t>(at - body_.data()) + size;
  ReadFamily(message);
  if (family_.empty()) return Fail("a family has no name");
  if (!model::IsValidUtf8(family_) || !model::IsValidUtf8(help_) || !model::IsValidUtf8(unit_)) {
    return Fail("a family's name, help or unit is not UTF-8");
  }
  return {};
}

void ProtobufParser::ReadFamily(std::string_view message) {
  family_ = help_ = unit_ = {};
  type_ = MetricType::kCounter;  // The enumeration's zero.
  metrics_.clear();
  metric_ = 0;
  headers_ = 0;
  for (auto reader = Read<FamilyField>(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case AsBytes(FamilyField::kName):
        family_ = Bytes(reader);
        break;
      case AsBytes(FamilyField::kHelp):
        help_ = Bytes(reader);
        break;
      case AsVarint(FamilyField::kType):
        type_ = TypeOf(reader.get_enum());
        break;
      case AsBytes(FamilyField::kMetric):
        metrics_.push_back(Bytes(reader));
        break;
      case AsBytes(FamilyField::kUnit):
        unit_ = Bytes(reader);
        break;
      default:
        reader.skip();
    }
  }
}

ProtobufParser::Item& ProtobufParser::Put(std::string_view suffix, double value,
                                          std::string_view extra_name, std::string extra_value) {
  Item& item = items_.emplace_back();
  item.suffix = suffix;
  item.value = Ordinary(value);
  item.extra_name = extra_name;
  item.extra_value = std::move(extra_value);
  std::string labels;
  for (const Label& label : labels_) AppendLabel(labels, label.name, label.value);
  if (!extra_name.empty()) AppendLabel(labels, extra_name, item.extra_value);
  item.text = fmt::format("{}{}{{{}}}", family_, suffix, labels);
  return item;
}

base::Status ProtobufParser::OpenMetric(std::string_view message) {
  labels_.clear();
  items_.clear();
  next_item_ = 0;
  timestamp_ = std::nullopt;
  created_ = std::nullopt;
  std::optional<double> number;
  std::optional<model::Exemplar> exemplar;
  std::string_view summary;
  std::optional<HistogramMessage> histogram;
  bool has_summary = false;
  for (auto reader = Read<MetricField>(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case AsBytes(MetricField::kLabel): {
        Label label;
        for (auto field = Read<LabelField>(Bytes(reader)); field.next();) {
          if (field.tag_and_type() == AsBytes(LabelField::kName)) {
            label.name = Bytes(field);
          } else if (field.tag_and_type() == AsBytes(LabelField::kValue)) {
            label.value = Bytes(field);
          } else {
            field.skip();
          }
        }
        labels_.push_back(label);
        break;
      }
      case AsBytes(MetricField::kGauge):
      case AsBytes(MetricField::kCounter):
      case AsBytes(MetricField::kUntyped):
        number = 0;
        for (auto field = Read<NumberField>(Bytes(reader)); field.next();) {
          if (field.tag_and_type() == AsDouble(NumberField::kValue)) {
            number = field.get_double();
          } else if (field.tag_and_type() == AsBytes(NumberField::kExemplar)) {
            exemplar = ReadExemplar(Bytes(field));
          } else if (field.tag_and_type() == AsBytes(NumberField::kCreated)) {
            created_ = ReadTime(Bytes(field));
          } else {
            field.skip();
          }
        }
        break;
      case AsBytes(MetricField::kSummary):
        summary = Bytes(reader);
        has_summary = true;
        break;
      case AsVarint(MetricField::kTimestampMs):
        if (const int64_t time = reader.get_int64(); time != 0) timestamp_ = time;
        break;
      case AsBytes(MetricField::kHistogram):
        histogram = HistogramMessage::Read(Bytes(reader));
        break;
      default:
        reader.skip();
    }
  }
  const bool wants_histogram =
      type_ == MetricType::kHistogram || type_ == MetricType::kGaugeHistogram;
  if (wants_histogram ? !histogram.has_value()
                      : (type_ == MetricType::kSummary ? !has_summary : !number.has_value())) {
    return Fail(fmt::format("a metric of {} has no value of the family's type", family_));
  }
  if (wants_histogram) return TakeHistogram(*histogram);
  if (type_ == MetricType::kSummary) {
    TakeSummary(summary);
  } else {
    Put("", *number).exemplar = std::move(exemplar);
  }
  return {};
}

base::Status ProtobufParser::TakeHistogram(const HistogramMessage& message) {
  created_ = message.created;
  const bool shows_native = options_.native_histograms && message.is_native();
  if (shows_native) {
    model::IntegerHistogram whole = message.whole;
    whole.hint = type_ == MetricType::kGaugeHistogram ? model::ResetHint::kGauge
                                                      : model::ResetHint::kUnknown;
    base::Status valid;
    if (message.is_float()) {
      model::FloatHistogram floats = message.floats;
      floats.hint = whole.hint;
      floats.schema = whole.schema;
      floats.zero_threshold = whole.zero_threshold;
      floats.sum = whole.sum;
      floats.positive_spans = whole.positive_spans;
      floats.negative_spans = whole.negative_spans;
      valid = floats.Validate();
      histogram_ = std::move(floats);
    } else {
      valid = whole.Validate();
      histogram_ = std::move(whole);
    }
    if (!valid) return Fail(fmt::format("histogram {}: {}", family_, valid.error().message));
    histogram_exemplars_ = message.exemplars;
    if (histogram_exemplars_.empty()) {
      for (const Bucket& bucket : message.buckets) {
        if (bucket.exemplar) histogram_exemplars_.push_back(*bucket.exemplar);
      }
    }
    std::erase_if(histogram_exemplars_, [](const auto& exemplar) { return !exemplar.timestamp; });
    std::ranges::stable_sort(histogram_exemplars_, {}, &model::Exemplar::timestamp);
    Put("", 0).entry = Entry::kHistogram;
  }
  if (!shows_native || (options_.classic_histograms && !message.buckets.empty())) {
    TakeClassic(message);
  }
  return {};
}

void ProtobufParser::TakeClassic(const HistogramMessage& message) {
  Put("_count", message.count());
  Put("_sum", message.whole.sum);
  bool has_infinite = false;
  for (const Bucket& bucket : message.buckets) {
    has_infinite = has_infinite || bucket.upper_bound == std::numeric_limits<double>::infinity();
    Put("_bucket", bucket.cumulative, "le", FormatBound(bucket.upper_bound, Format::kOpenMetrics))
        .exemplar = bucket.exemplar;
  }
  if (!has_infinite) Put("_bucket", message.count(), "le", "+Inf");
}

void ProtobufParser::TakeSummary(std::string_view message) {
  uint64_t count = 0;
  double sum = 0;
  for (auto reader = Read<SummaryField>(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case AsVarint(SummaryField::kCount):
        count = reader.get_uint64();
        break;
      case AsDouble(SummaryField::kSum):
        sum = reader.get_double();
        break;
      case AsBytes(SummaryField::kQuantile): {
        double quantile = 0, value = 0;
        for (auto field = Read<QuantileField>(Bytes(reader)); field.next();) {
          if (field.tag_and_type() == AsDouble(QuantileField::kQuantile)) {
            quantile = field.get_double();
          } else if (field.tag_and_type() == AsDouble(QuantileField::kValue)) {
            value = field.get_double();
          } else {
            field.skip();
          }
        }
        Put("", value, "quantile", FormatBound(quantile, Format::kOpenMetrics));
        break;
      }
      case AsBytes(SummaryField::kCreated):
        created_ = ReadTime(Bytes(reader));
        break;
      default:
        reader.skip();
    }
  }
  Put("_count", static_cast<double>(count));
  Put("_sum", sum);
}

base::Result<model::Labels> ProtobufParser::Labels() const {
  std::vector<model::Label> labels;
  labels.push_back({std::string(model::kMetricName), fmt::format("{}{}", family_, item().suffix)});
  for (const Label& label : labels_) {
    if (!model::IsValidUtf8(label.name) || !model::IsValidUtf8(label.value)) {
      return std::unexpected(Fail(fmt::format("a label of {} is not UTF-8", family_)).error());
    }
    labels.push_back({std::string(label.name), std::string(label.value)});
  }
  if (!item().extra_name.empty()) labels.push_back({item().extra_name, item().extra_value});
  base::Result<model::Labels> result = model::Labels::From(std::move(labels));
  if (!result) return std::unexpected(Fail(result.error().message).error());
  return result;
}

}  // namespace narthex::exposition
