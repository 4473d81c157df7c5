#include "remote/write_request_2.h"

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <protozero/pbf_message.hpp>

namespace narthex::remote {

using base::Code;
using base::Fail;
using model::LabelView;
using model::MetricType;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

namespace {

// Field numbers. Source: prometheus/prometheus, prompb/io/prometheus/write/v2/types.proto.
enum class RequestField : protozero::pbf_tag_type { kSymbols = 4, kTimeSeries = 5 };
enum class TimeSeriesField : protozero::pbf_tag_type {
  kLabels = 1,
  kSamples = 2,
  kHistograms = 3,
  kExemplars = 4,
  kMetadata = 5,
};
enum class MetadataField : protozero::pbf_tag_type { kType = 1, kHelp = 3, kUnit = 4 };
enum class ExemplarField : protozero::pbf_tag_type { kLabels = 1, kValue = 2, kTimestamp = 3 };

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr auto kVarint = pbf_wire_type::varint;

std::string_view View(protozero::data_view data) { return {data.data(), data.size()}; }

// The numbers of a packed field, each of which takes a byte at least. Returns the end of them.
uint32_t* ReadPacked(protozero::data_view packed, uint32_t* next) {
  const char* at = packed.data();
  const char* const end = at + packed.size();
  const auto byte = [&](ptrdiff_t i) { return static_cast<uint8_t>(at[i]); };
  while (at != end) {
    if (byte(0) < 0x80) {
      *next++ = byte(0);
      ++at;
    } else if (end - at > 1 && byte(1) < 0x80) {
      *next++ = (byte(0) & 0x7fu) | uint32_t{byte(1)} << 7;
      at += 2;
    } else {
      *next++ = static_cast<uint32_t>(protozero::decode_varint(&at, end));
    }
  }
  return next;
}

// The family of a metric's name, from which the suffixes of its type's series are gone.
std::string_view FamilyOf(std::string_view name, MetricType type) {
  std::array<std::string_view, 3> suffixes;
  switch (type) {
    case MetricType::kHistogram:
      suffixes = {"_bucket", "_sum", "_count"};
      break;
    case MetricType::kGaugeHistogram:
      suffixes = {"_bucket", "_gsum", "_gcount"};
      break;
    case MetricType::kSummary:
      suffixes = {"_sum", "_count", "_count"};
      break;
    default:
      return name;
  }
  for (const std::string_view suffix : suffixes) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return name;
}

}  // namespace

WriteRequest2::WriteRequest2(std::string_view body, const SeriesIdentities& known)
    : refs_(std::make_unique_for_overwrite<uint32_t[]>(body.size())), refs_end_(refs_.get()) {
  constexpr size_t kSeriesBytes = 32;  // Or a little more.
  Reserve(body.size() / kSeriesBytes);
  heads_.reserve(body.size() / kSeriesBytes);
  protozero::pbf_message<RequestField> reader(body.data(), body.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(RequestField::kSymbols, kBytes):
        symbols_.push_back(View(reader.get_view()));
        break;
      case tag_and_type(RequestField::kTimeSeries, kBytes):
        AddSeries(View(reader.get_view()));
        break;
      default:
        reader.skip();
    }
  }
  Identify(known);
  DecodeExemplars();
}

void WriteRequest2::AddSeries(std::string_view message) {
  Head head;
  protozero::pbf_message<TimeSeriesField> fields(message.data(), message.size());
  while (fields.next()) {
    switch (fields.tag_and_type()) {
      case tag_and_type(TimeSeriesField::kLabels, kBytes):
        refs_end_ = ReadPacked(fields.get_view(), refs_end_);
        break;
      case tag_and_type(TimeSeriesField::kLabels, kVarint):
        *refs_end_++ = fields.get_uint32();
        break;
      case tag_and_type(TimeSeriesField::kSamples, kBytes):
        samples.push_back(DecodeSample(View(fields.get_view())));
        break;
      case tag_and_type(TimeSeriesField::kHistograms, kBytes):
        histograms.push_back(DecodeHistogram(View(fields.get_view())));
        break;
      case tag_and_type(TimeSeriesField::kExemplars, kBytes):
        exemplar_messages_.push_back(View(fields.get_view()));
        exemplars.emplace_back();
        break;
      case tag_and_type(TimeSeriesField::kMetadata, kBytes):
        for (protozero::pbf_message<MetadataField> reader(fields.get_view()); reader.next();) {
          switch (reader.tag_and_type()) {
            case tag_and_type(MetadataField::kType, kVarint):
              head.type = static_cast<uint32_t>(reader.get_enum());
              break;
            case tag_and_type(MetadataField::kHelp, kVarint):
              head.help = reader.get_uint32();
              break;
            case tag_and_type(MetadataField::kUnit, kVarint):
              head.unit = reader.get_uint32();
              break;
            default:
              reader.skip();
          }
        }
        break;
      default:
        fields.skip();
    }
  }
  head.refs_end = static_cast<size_t>(refs_end_ - refs_.get());
  heads_.push_back(head);
  EndSeries();
}

void WriteRequest2::Identify(const SeriesIdentities& known) {
  keys_.reserve(symbols_.size());
  for (const std::string_view symbol : symbols_) {
    if (symbol == model::kMetricName) name_symbol_ = static_cast<uint32_t>(keys_.size());
    keys_.push_back(known.SymbolKeyOf(symbol));
  }
  identities.resize(heads_.size());
  for (size_t i = 0; i < heads_.size(); ++i) {
    const std::span<const uint32_t> refs = RefsOf(i);
    uint32_t largest = 0;
    for (const uint32_t ref : refs) largest = std::max(largest, ref);
    // What cannot be taken is known by no key, and then LabelsOf says why.
    if (largest < keys_.size() && HasForm(i)) identities[i].key = known.KeyOf(refs, keys_);
  }
}

std::optional<uint32_t> WriteRequest2::MetricOf(size_t at) const {
  const std::span<const uint32_t> refs = RefsOf(at);
  for (size_t i = 0; i + 1 < refs.size(); i += 2) {
    if (refs[i] == name_symbol_ && refs[i + 1] < symbols_.size()) return refs[i + 1];
  }
  return std::nullopt;
}

void WriteRequest2::DecodeExemplars() {
  size_t at = 0;
  for (const Series& one : series) {
    const size_t begin = at;
    for (; at < one.exemplars_end; ++at) exemplars[at] = DecodeExemplar(exemplar_messages_[at]);
    // The storage takes them in the order of time, which the specification does not ask for.
    std::ranges::stable_sort(exemplars.begin() + static_cast<ptrdiff_t>(begin),
                             exemplars.begin() + static_cast<ptrdiff_t>(at), {},
                             [](const std::optional<model::Exemplar>& exemplar) {
                               return exemplar ? exemplar->timestamp : std::nullopt;
                             });
  }
}

std::span<const uint32_t> WriteRequest2::RefsOf(size_t at) const {
  const size_t begin = at == 0 ? 0 : heads_[at - 1].refs_end;
  return {refs_.get() + begin, heads_[at].refs_end - begin};
}

base::Status WriteRequest2::ReadLabels(std::span<const uint32_t> refs,
                                       std::vector<LabelView>& labels) const {
  if (refs.size() % 2 != 0) {
    return Fail(Code::kInvalidArgument, "invalid labels: {} numbers of symbols are no pairs",
                refs.size());
  }
  labels.clear();
  for (size_t i = 0; i < refs.size(); i += 2) {
    if (refs[i] >= symbols_.size() || refs[i + 1] >= symbols_.size()) {
      return Fail(Code::kInvalidArgument,
                  "invalid labels: symbols {} and {} are outside of a table of {}", refs[i],
                  refs[i + 1], symbols_.size());
    }
    labels.push_back({symbols_[refs[i]], symbols_[refs[i + 1]]});
  }
  return {};
}

// Source: Prometheus Remote-Write 2.0 specification, TimeSeries message.
bool WriteRequest2::HasForm(size_t at) const {
  const Series before = at == 0 ? Series{} : series[at - 1];
  const bool has_samples = series[at].samples_end > before.samples_end;
  const bool has_histograms = series[at].histograms_end > before.histograms_end;
  return has_samples != has_histograms && IsInTable(heads_[at]);
}

base::Status WriteRequest2::CheckForm(size_t at) const {
  if (HasForm(at)) return {};
  if (!IsInTable(heads_[at])) {
    return Fail(Code::kInvalidArgument, "metadata with symbols {} and {} outside of a table of {}",
                heads_[at].help, heads_[at].unit, symbols_.size());
  }
  const bool has_samples = series[at].samples_end > (at == 0 ? 0 : series[at - 1].samples_end);
  return Fail(Code::kInvalidArgument, "{}",
              has_samples ? "a series has samples or histograms, not both"
                          : "a series needs a sample or a histogram");
}

base::Result<model::Labels> WriteRequest2::LabelsOf(size_t at) const {
  std::vector<LabelView> views;
  RETURN_IF_ERROR(ReadLabels(RefsOf(at), views));
  ASSIGN_OR_RETURN(model::Labels labels, SeriesLabels(views));
  if (base::Status form = CheckForm(at); !form) {
    form.error().message += " for series " + labels.ToString();
    return std::unexpected(std::move(form).error());
  }
  return labels;
}

std::optional<model::Exemplar> WriteRequest2::DecodeExemplar(std::string_view message) const {
  model::Exemplar exemplar;
  exemplar.timestamp = 0;
  std::vector<uint32_t> refs;
  protozero::pbf_message<ExemplarField> reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(ExemplarField::kLabels, kBytes): {
        const protozero::data_view packed = reader.get_view();
        const size_t before = refs.size();
        refs.resize(before + packed.size());
        const uint32_t* const end = ReadPacked(packed, refs.data() + before);
        refs.resize(static_cast<size_t>(end - refs.data()));
        break;
      }
      case tag_and_type(ExemplarField::kLabels, kVarint):
        refs.push_back(reader.get_uint32());
        break;
      case tag_and_type(ExemplarField::kValue, pbf_wire_type::fixed64):
        exemplar.value = reader.get_double();
        break;
      case tag_and_type(ExemplarField::kTimestamp, kVarint):
        exemplar.timestamp = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
  std::vector<LabelView> views;
  if (!ReadLabels(refs, views)) return std::nullopt;
  std::vector<model::Label> labels;
  for (const LabelView& view : views) {
    labels.push_back({std::string(view.name), std::string(view.value)});
  }
  base::Result<model::Labels> made = model::Labels::From(std::move(labels));
  if (!made) return std::nullopt;
  exemplar.labels = *std::move(made);
  return exemplar;
}

bool WriteRequest2::IsInTable(const Head& head) const {
  // A request without any text has no metadata either: then 0 need not be in the table.
  const auto is_in = [this](uint32_t ref) { return ref == 0 || ref < symbols_.size(); };
  return is_in(head.help) && is_in(head.unit);
}

bool WriteRequest2::HasMetadata(size_t at) const {
  const Head& head = heads_[at];
  return head.type != 0 || head.help != 0 || head.unit != 0;
}

model::Metadata WriteRequest2::MetadataOf(size_t at) const {
  const Head& head = heads_[at];
  const auto text = [this](uint32_t ref) {
    return ref < symbols_.size() ? std::string(symbols_[ref]) : std::string();
  };
  return {TypeFromNumber(static_cast<int32_t>(head.type)), text(head.help), text(head.unit)};
}

std::vector<ReceivedMetadata::Entry> WriteRequest2::TakeMetadata(const ReceivedMetadata& known) {
  std::vector<ReceivedMetadata::Telling> tellings;
  std::vector<size_t> tellers;
  tellings.reserve(heads_.size());
  tellers.reserve(heads_.size());
  for (size_t i = 0; i < heads_.size(); ++i) {
    const Head& head = heads_[i];
    if (!HasMetadata(i) || !IsInTable(head)) continue;
    const std::optional<uint32_t> metric = MetricOf(i);
    if (!metric) continue;
    const uint64_t help = head.help == 0 ? 0 : keys_[head.help].low;
    const uint64_t unit = head.unit == 0 ? 0 : keys_[head.unit].low;
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
    tellings.push_back({.subject = keys_[*metric].low | 1,
                        .content = help ^ (unit * kOdd) ^ (uint64_t{head.type} << 56)});
    tellers.push_back(i);
  }
  known.Compare(tellings);
  std::vector<ReceivedMetadata::Entry> entries;
  boost::unordered_flat_set<uint64_t> seen;  // Many series of a request are of one family.
  for (size_t i = 0; i < tellings.size(); ++i) {
    if (!tellings[i].is_new || !seen.insert(tellings[i].subject).second) continue;
    ReceivedMetadata::Entry entry{.metadata = MetadataOf(tellers[i]),
                                  .subject = tellings[i].subject,
                                  .content = tellings[i].content};
    entry.family = FamilyOf(symbols_[*MetricOf(tellers[i])], entry.metadata.type);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace narthex::remote
