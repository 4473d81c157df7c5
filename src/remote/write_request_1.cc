#include "remote/write_request_1.h"

#include <protozero/pbf_message.hpp>

#include "base/bytes.h"

namespace narthex::remote {

using protozero::tag_and_type;

namespace {

// Field numbers. Source: prometheus/prometheus, prompb/{remote,types}.proto.
enum class WriteRequestField : protozero::pbf_tag_type { kTimeSeries = 1, kMetadata = 3 };
enum class TimeSeriesField : protozero::pbf_tag_type {
  kLabels = 1,
  kSamples = 2,
  kExemplars = 3,
  kHistograms = 4,
};
enum class LabelField : protozero::pbf_tag_type { kName = 1, kValue = 2 };

using TimeSeriesReader = protozero::pbf_message<TimeSeriesField>;
constexpr auto kMessage = protozero::pbf_wire_type::length_delimited;

std::string_view View(protozero::data_view data) { return {data.data(), data.size()}; }

}  // namespace

WriteRequest1::WriteRequest1(std::string_view body, const SeriesIdentities& known) {
  constexpr size_t kSeriesBytes = 128;  // Or so.
  Reserve(body.size() / kSeriesBytes);
  messages_.reserve(body.size() / kSeriesBytes);
  protozero::pbf_message<WriteRequestField> reader(body.data(), body.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(WriteRequestField::kTimeSeries, kMessage):
        AddSeries(View(reader.get_view()), known);
        break;
      case tag_and_type(WriteRequestField::kMetadata, kMessage):
        metadata_.push_back(ReceivedMetadata::Decode(View(reader.get_view())));
        break;
      default:
        reader.skip();
    }
  }
}

void WriteRequest1::AddSeries(std::string_view message, const SeriesIdentities& known) {
  const size_t before = size_of_all();
  // Labels mostly stand in front, and then their bytes are what identifies them, as they are.
  size_t labels_end = 0;
  bool in_front = true;
  bool scattered = false;
  for (TimeSeriesReader fields(message.data(), message.size()); fields.next();) {
    if (fields.tag_and_type() == tag_and_type(TimeSeriesField::kLabels, kMessage)) {
      const std::string_view label = View(fields.get_view());
      scattered |= !in_front;
      labels_end = static_cast<size_t>(label.data() + label.size() - message.data());
      continue;
    }
    in_front = false;
    switch (fields.tag_and_type()) {
      case tag_and_type(TimeSeriesField::kSamples, kMessage):
        samples.push_back(DecodeSample(View(fields.get_view())));
        break;
      case tag_and_type(TimeSeriesField::kExemplars, kMessage):
        exemplars.emplace_back(DecodeExemplar(View(fields.get_view())));
        break;
      case tag_and_type(TimeSeriesField::kHistograms, kMessage):
        histograms.push_back(DecodeHistogram(View(fields.get_view())));
        break;
      default:
        fields.skip();
    }
  }
  if (size_of_all() == before) return;
  EndSeries();
  messages_.push_back(message);
  identities.push_back(
      {known.KeyOf(scattered ? Gathered(message) : message.substr(0, labels_end))});
}

std::string_view WriteRequest1::Gathered(std::string_view message) {
  gathered_.assign(1, '\0');
  for (TimeSeriesReader fields(message.data(), message.size());
       fields.next(TimeSeriesField::kLabels, kMessage);) {
    base::PutUvarintString(gathered_, View(fields.get_view()));
  }
  return gathered_;
}

base::Result<model::Labels> WriteRequest1::LabelsOf(size_t at) const {
  std::vector<model::LabelView> labels;
  const std::string_view message = messages_[at];
  for (TimeSeriesReader fields(message.data(), message.size());
       fields.next(TimeSeriesField::kLabels, kMessage);) {
    model::LabelView label;
    for (protozero::pbf_message<LabelField> reader(fields.get_view()); reader.next();) {
      switch (reader.tag_and_type()) {
        case tag_and_type(LabelField::kName, kMessage):
          label.name = View(reader.get_view());
          break;
        case tag_and_type(LabelField::kValue, kMessage):
          label.value = View(reader.get_view());
          break;
        default:
          reader.skip();
      }
    }
    labels.push_back(label);
  }
  return SeriesLabels(labels);
}

}  // namespace narthex::remote
