#include "remote/write_request.h"

#include <algorithm>
#include <array>
#include <protozero/pbf_message.hpp>
#include <utility>

#include "remote/write_request_1.h"
#include "remote/write_request_2.h"

namespace narthex::remote {

using base::Code;
using base::Fail;
using model::LabelView;

namespace {

constexpr std::array<std::pair<std::string_view, WriteMessage>, 2> kNames = {
    {{"prometheus.WriteRequest", WriteMessage::kVersion1},
     {"io.prometheus.write.v2.Request", WriteMessage::kVersion2}}};

// Field numbers. Source: prometheus/prometheus, prompb/types.proto.
enum class SampleField : protozero::pbf_tag_type { kValue = 1, kTimestamp = 2 };

base::Error Unusable(std::string_view what, const std::vector<LabelView>& labels) {
  constexpr size_t kTextMax = 512;
  std::string text;
  for (const LabelView& label : labels) {
    if (text.size() > kTextMax) {
      text += ", …";
      break;
    }
    if (!text.empty()) text += ", ";
    model::AppendQuoted(text, label.name.substr(0, kTextMax));
    text += "=";
    model::AppendQuoted(text, label.value.substr(0, kTextMax));
  }
  return {Code::kInvalidArgument, fmt::format("{}, got {{{}}}", what, text)};
}

}  // namespace

std::string_view NameOf(WriteMessage message) { return kNames[static_cast<size_t>(message)].first; }

std::optional<WriteMessage> WriteMessageFromName(std::string_view name) {
  for (const auto& [known, message] : kNames) {
    if (known == name) return message;
  }
  return std::nullopt;
}

std::unique_ptr<WriteRequest> WriteRequest::Read(WriteMessage message, std::string_view body,
                                                 const SeriesIdentities& known) {
  if (message == WriteMessage::kVersion1) return std::make_unique<WriteRequest1>(body, known);
  return std::make_unique<WriteRequest2>(body, known);
}

void WriteRequest::Reserve(size_t count) {
  series.reserve(count);
  identities.reserve(count);
  samples.reserve(count);
}

void WriteRequest::EndSeries() {
  series.push_back({samples.size(), histograms.size(), exemplars.size()});
}

base::Result<model::Labels> SeriesLabels(std::vector<LabelView>& labels) {
  bool named = false;
  bool sorted = true;
  const LabelView* last = nullptr;
  for (const LabelView& label : labels) {
    if (!model::IsValidUtf8(label.name) || !model::IsValidUtf8(label.value) ||
        (label.name.empty() && !label.value.empty())) {
      return std::unexpected(Unusable("invalid metric name or labels", labels));
    }
    if (label.value.empty()) continue;
    sorted &= last == nullptr || last->name < label.name;
    named |= label.name == model::kMetricName;
    last = &label;
  }
  if (!named) return std::unexpected(Unusable("invalid metric name or labels", labels));
  std::erase_if(labels, [](const LabelView& label) { return label.value.empty(); });
  if (!sorted) {
    std::ranges::sort(labels, {}, &LabelView::name);
    if (std::ranges::adjacent_find(labels, {}, &LabelView::name) != labels.end()) {
      return std::unexpected(Unusable("a label name comes twice", labels));
    }
  }
  return model::Labels::FromSorted(labels);
}

model::Sample DecodeSample(std::string_view message) {
  model::Sample sample{0, 0};
  protozero::pbf_message<SampleField> reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case protozero::tag_and_type(SampleField::kValue, protozero::pbf_wire_type::fixed64):
        sample.v = reader.get_double();
        break;
      case protozero::tag_and_type(SampleField::kTimestamp, protozero::pbf_wire_type::varint):
        sample.t = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
  return sample;
}

}  // namespace narthex::remote
