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
using protozero::tag_and_type;

namespace {

// Field numbers. Source: prometheus/prometheus, prompb/types.proto; the same in version 2, whose
// start times (17) are passed over.
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
constexpr auto kVarint = protozero::pbf_wire_type::varint;
constexpr auto kDouble = protozero::pbf_wire_type::fixed64;
constexpr auto kBytes = protozero::pbf_wire_type::length_delimited;

BucketSpan ReadSpan(protozero::data_view message) {
  BucketSpan span;
  for (protozero::pbf_message<SpanField> reader(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(SpanField::kOffset, kVarint):
        span.offset = reader.get_sint32();
        break;
      case tag_and_type(SpanField::kLength, kVarint):
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
  if (reader.wire_type() != kBytes) {
    out.push_back(reader.get_sint64());
    return;
  }
  for (const int64_t delta : reader.get_packed_sint64()) out.push_back(delta);
}
void ReadDoubles(HistogramReader& reader, std::vector<double>& out) {
  if (reader.wire_type() != kBytes) {
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
    switch (reader.tag_and_type()) {
      case tag_and_type(HistogramField::kCountInt, kVarint):
        whole.count = reader.get_uint64();
        is_float = false;
        break;
      case tag_and_type(HistogramField::kCountFloat, kDouble):
        floats.count = reader.get_double();
        is_float = true;
        break;
      case tag_and_type(HistogramField::kSum, kDouble):
        whole.sum = reader.get_double();
        break;
      case tag_and_type(HistogramField::kSchema, kVarint):
        whole.schema = reader.get_sint32();
        break;
      case tag_and_type(HistogramField::kZeroThreshold, kDouble):
        whole.zero_threshold = reader.get_double();
        break;
      case tag_and_type(HistogramField::kZeroCountInt, kVarint):
        whole.zero_count = reader.get_uint64();
        break;
      case tag_and_type(HistogramField::kZeroCountFloat, kDouble):
        floats.zero_count = reader.get_double();
        break;
      case tag_and_type(HistogramField::kNegativeSpans, kBytes):
        whole.negative_spans.push_back(ReadSpan(reader.get_view()));
        break;
      case tag_and_type(HistogramField::kNegativeDeltas, kBytes):
      case tag_and_type(HistogramField::kNegativeDeltas, kVarint):
        ReadDeltas(reader, whole.negative_deltas);
        break;
      case tag_and_type(HistogramField::kNegativeCounts, kBytes):
      case tag_and_type(HistogramField::kNegativeCounts, kDouble):
        ReadDoubles(reader, floats.negative);
        break;
      case tag_and_type(HistogramField::kPositiveSpans, kBytes):
        whole.positive_spans.push_back(ReadSpan(reader.get_view()));
        break;
      case tag_and_type(HistogramField::kPositiveDeltas, kBytes):
      case tag_and_type(HistogramField::kPositiveDeltas, kVarint):
        ReadDeltas(reader, whole.positive_deltas);
        break;
      case tag_and_type(HistogramField::kPositiveCounts, kBytes):
      case tag_and_type(HistogramField::kPositiveCounts, kDouble):
        ReadDoubles(reader, floats.positive);
        break;
      case tag_and_type(HistogramField::kResetHint, kVarint):
        whole.hint = static_cast<model::ResetHint>(reader.get_enum() & 3);
        break;
      case tag_and_type(HistogramField::kTimestamp, kVarint):
        result.t = reader.get_int64();
        break;
      case tag_and_type(HistogramField::kCustomValues, kBytes):
      case tag_and_type(HistogramField::kCustomValues, kDouble):
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
    switch (reader.tag_and_type()) {
      case tag_and_type(ExemplarField::kLabels, kBytes): {
        model::Label label;
        for (protozero::pbf_message<LabelField> field(reader.get_view()); field.next();) {
          switch (field.tag_and_type()) {
            case tag_and_type(LabelField::kName, kBytes):
              label.name = field.get_string();
              break;
            case tag_and_type(LabelField::kValue, kBytes):
              label.value = field.get_string();
              break;
            default:
              field.skip();
          }
        }
        labels.push_back(std::move(label));
        break;
      }
      case tag_and_type(ExemplarField::kValue, kDouble):
        exemplar.value = reader.get_double();
        break;
      case tag_and_type(ExemplarField::kTimestamp, kVarint):
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
