#include "remote/histogram_codec.h"

#include <cstdint>
#include <protozero/pbf_message.hpp>
#include <string>
#include <utility>
#include <vector>

namespace narthex::remote {

using model::BucketSpan;
using model::FloatHistogram;
using model::IntegerHistogram;

namespace {

// Field numbers. Source: prometheus/prometheus, prompb/types.proto.
enum class HistogramField : protozero::pbf_tag_type {
  kCountInt = 1,
  kCountFloat = 2,
  kSum = 3,
  kSchema = 4,
  kZeroThreshold = 5,
  kZeroCountInt = 6,
  kZeroCountFloat = 7,
  kNegativeSpans = 8,
  kNegativeDeltas = 9,
  kNegativeCounts = 10,
  kPositiveSpans = 11,
  kPositiveDeltas = 12,
  kPositiveCounts = 13,
  kResetHint = 14,
  kTimestamp = 15,
  kCustomValues = 16,
};
enum class SpanField : protozero::pbf_tag_type { kOffset = 1, kLength = 2 };
enum class ExemplarField : protozero::pbf_tag_type { kLabels = 1, kValue = 2, kTimestamp = 3 };
enum class LabelField : protozero::pbf_tag_type { kName = 1, kValue = 2 };

using HistogramReader = protozero::pbf_message<HistogramField>;

BucketSpan ReadSpan(protozero::data_view message) {
  BucketSpan span;
  for (protozero::pbf_message<SpanField> reader(message); reader.next();) {
    switch (reader.tag()) {
      case SpanField::kOffset:
        span.offset = reader.get_sint32();
        break;
      case SpanField::kLength:
        span.length = reader.get_uint32();
        break;
      default:
        reader.skip();
    }
  }
  return span;
}

// Repeated numbers may be packed or not.
void ReadDeltas(HistogramReader& reader, std::vector<int64_t>& out) {
  if (reader.wire_type() != protozero::pbf_wire_type::length_delimited) {
    out.push_back(reader.get_sint64());
    return;
  }
  for (const int64_t delta : reader.get_packed_sint64()) out.push_back(delta);
}
void ReadDoubles(HistogramReader& reader, std::vector<double>& out) {
  if (reader.wire_type() != protozero::pbf_wire_type::length_delimited) {
    out.push_back(reader.get_double());
    return;
  }
  for (const double value : reader.get_packed_double()) out.push_back(value);
}

}  // namespace

WrittenHistogram DecodeHistogram(std::string_view message) {
  WrittenHistogram result;
  IntegerHistogram whole;
  FloatHistogram floats;
  bool is_float = false;
  for (HistogramReader reader(message.data(), message.size()); reader.next();) {
    switch (reader.tag()) {
      case HistogramField::kCountInt:
        whole.count = reader.get_uint64();
        is_float = false;
        break;
      case HistogramField::kCountFloat:
        floats.count = reader.get_double();
        is_float = true;
        break;
      case HistogramField::kSum:
        whole.sum = reader.get_double();
        break;
      case HistogramField::kSchema:
        whole.schema = reader.get_sint32();
        break;
      case HistogramField::kZeroThreshold:
        whole.zero_threshold = reader.get_double();
        break;
      case HistogramField::kZeroCountInt:
        whole.zero_count = reader.get_uint64();
        break;
      case HistogramField::kZeroCountFloat:
        floats.zero_count = reader.get_double();
        break;
      case HistogramField::kNegativeSpans:
        whole.negative_spans.push_back(ReadSpan(reader.get_view()));
        break;
      case HistogramField::kNegativeDeltas:
        ReadDeltas(reader, whole.negative_deltas);
        break;
      case HistogramField::kNegativeCounts:
        ReadDoubles(reader, floats.negative);
        break;
      case HistogramField::kPositiveSpans:
        whole.positive_spans.push_back(ReadSpan(reader.get_view()));
        break;
      case HistogramField::kPositiveDeltas:
        ReadDeltas(reader, whole.positive_deltas);
        break;
      case HistogramField::kPositiveCounts:
        ReadDoubles(reader, floats.positive);
        break;
      case HistogramField::kResetHint:
        whole.hint = static_cast<model::ResetHint>(reader.get_enum() & 3);
        break;
      case HistogramField::kTimestamp:
        result.t = reader.get_int64();
        break;
      case HistogramField::kCustomValues:
        ReadDoubles(reader, whole.custom_bounds);
        break;
      default:
        reader.skip();
    }
  }
  if (!is_float) {
    result.histogram = std::move(whole);
    return result;
  }
  floats.hint = whole.hint;
  floats.schema = whole.schema;
  floats.zero_threshold = whole.zero_threshold;
  floats.sum = whole.sum;
  floats.positive_spans = std::move(whole.positive_spans);
  floats.negative_spans = std::move(whole.negative_spans);
  floats.custom_bounds = std::move(whole.custom_bounds);
  result.histogram = std::move(floats);
  return result;
}

model::Exemplar DecodeExemplar(std::string_view message) {
  model::Exemplar exemplar;
  exemplar.timestamp = 0;
  std::vector<model::Label> labels;
  protozero::pbf_message<ExemplarField> reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag()) {
      case ExemplarField::kLabels: {
        model::Label label;
        for (protozero::pbf_message<LabelField> field(reader.get_view()); field.next();) {
          switch (field.tag()) {
            case LabelField::kName:
              label.name = field.get_string();
              break;
            case LabelField::kValue:
              label.value = field.get_string();
              break;
            default:
              field.skip();
          }
        }
        labels.push_back(std::move(label));
        break;
      }
      case ExemplarField::kValue:
        exemplar.value = reader.get_double();
        break;
      case ExemplarField::kTimestamp:
        exemplar.timestamp = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
  if (auto made = model::Labels::From(std::move(labels))) exemplar.labels = *std::move(made);
  return exemplar;
}

}  // namespace narthex::remote
