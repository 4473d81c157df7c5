#include "remote/write_receiver.h"

#include <algorithm>
#include <optional>
#include <protozero/pbf_message.hpp>
#include <vector>

#include "base/bytes.h"
#include "compress/compress.h"
#include "remote/histogram_codec.h"
#include "remote/series_identities.h"

namespace narthex::remote {

using base::Code;
using base::Fail;
using model::Labels;
using storage::Appended;
using storage::SeriesRef;

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
enum class SampleField : protozero::pbf_tag_type { kValue = 1, kTimestamp = 2 };

using TimeSeriesReader = protozero::pbf_message<TimeSeriesField>;

std::string_view View(protozero::data_view data) { return {data.data(), data.size()}; }

// Of a series' message. nullopt where the labels cannot name a series. Senders sort them and leave
// none empty: then nothing is copied but the result.
std::optional<Labels> DecodeLabels(std::string_view message) {
  std::vector<model::LabelView> labels;
  bool sorted = true;
  bool named = false;
  for (TimeSeriesReader fields(message.data(), message.size()); fields.next();) {
    if (fields.tag() != TimeSeriesField::kLabels) {
      fields.skip();
      continue;
    }
    model::LabelView label;
    for (protozero::pbf_message<LabelField> reader(fields.get_view()); reader.next();) {
      switch (reader.tag()) {
        case LabelField::kName:
          label.name = View(reader.get_view());
          break;
        case LabelField::kValue:
          label.value = View(reader.get_view());
          break;
        default:
          reader.skip();
      }
    }
    if (!model::IsValidUtf8(label.name) || !model::IsValidUtf8(label.value)) return std::nullopt;
    if (label.value.empty()) continue;
    if (label.name.empty()) return std::nullopt;
    sorted &= labels.empty() || labels.back().name < label.name;
    named |= label.name == model::kMetricName;
    labels.push_back(label);
  }
  if (!named) return std::nullopt;
  if (!sorted) {
    std::ranges::sort(labels, {}, &model::LabelView::name);
    if (std::ranges::adjacent_find(labels, {}, &model::LabelView::name) != labels.end()) {
      return std::nullopt;
    }
  }
  return Labels::FromSorted(labels);
}

model::Sample DecodeSample(protozero::data_view data) {
  model::Sample sample{0, 0};
  protozero::pbf_message<SampleField> reader(data);
  while (reader.next()) {
    switch (reader.tag()) {
      case SampleField::kValue:
        sample.v = reader.get_double();
        break;
      case SampleField::kTimestamp:
        sample.t = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
  return sample;
}

}  // namespace

// What a request holds, read completely before anything of it is stored. The samples of all series
// lie one behind the other. Throws protozero::exception for malformed bytes.
struct WriteRequest {
  struct Series {
    std::string_view message;
    size_t samples_end;
    size_t histograms_end;
    size_t exemplars_end;
  };
  std::vector<Series> series;
  std::vector<SeriesIdentities::Wanted> identities;  // Of each.
  std::vector<model::Sample> samples;
  std::vector<WrittenHistogram> histograms;
  std::vector<model::Exemplar> exemplars;
  std::vector<ReceivedMetadata::Entry> metadata;

  WriteRequest(std::string_view body, const SeriesIdentities& known) {
    constexpr size_t kSeriesBytes = 128;  // Or so.
    series.reserve(body.size() / kSeriesBytes);
    identities.reserve(series.capacity());
    samples.reserve(series.capacity());
    protozero::pbf_message<WriteRequestField> reader(body.data(), body.size());
    while (reader.next()) {
      switch (reader.tag()) {
        case WriteRequestField::kTimeSeries:
          AddSeries(View(reader.get_view()), known);
          break;
        case WriteRequestField::kMetadata:
          metadata.push_back(ReceivedMetadata::Decode(View(reader.get_view())));
          break;
        default:
          reader.skip();
      }
    }
  }

 private:
  void AddSeries(std::string_view message, const SeriesIdentities& known) {
    const size_t before = samples.size() + histograms.size() + exemplars.size();
    // Labels mostly stand in front, and then their bytes are what identifies them, as they are.
    size_t labels_end = 0;
    bool in_front = true;
    bool scattered = false;
    for (TimeSeriesReader fields(message.data(), message.size()); fields.next();) {
      if (fields.tag() == TimeSeriesField::kLabels) {
        const std::string_view label = View(fields.get_view());
        scattered |= !in_front;
        labels_end = static_cast<size_t>(label.data() + label.size() - message.data());
        continue;
      }
      in_front = false;
      switch (fields.tag()) {
        case TimeSeriesField::kSamples:
          samples.push_back(DecodeSample(fields.get_view()));
          break;
        case TimeSeriesField::kExemplars:
          exemplars.push_back(DecodeExemplar(View(fields.get_view())));
          break;
        case TimeSeriesField::kHistograms:
          histograms.push_back(DecodeHistogram(View(fields.get_view())));
          break;
        default:
          fields.skip();
      }
    }
    if (samples.size() + histograms.size() + exemplars.size() == before) return;
    series.push_back({message, samples.size(), histograms.size(), exemplars.size()});
    identities.push_back(
        {known.KeyOf(scattered ? Gathered(message) : message.substr(0, labels_end))});
  }

  // The label fields of a message by themselves, in a form that no message begins with.
  std::string_view Gathered(std::string_view message) {
    gathered_.assign(1, '\0');
    for (TimeSeriesReader fields(message.data(), message.size());
         fields.next(TimeSeriesField::kLabels);) {
      base::PutUvarintString(gathered_, View(fields.get_view()));
    }
    return gathered_;
  }

  std::string gathered_;
};

namespace {

// What a sender is told about a sample that cannot be stored. Texts as upstream's.
std::optional<std::string_view> Refusal(Appended verdict) {
  switch (verdict) {
    case Appended::kYes:
    case Appended::kSameAgain:
      return std::nullopt;
    case Appended::kDuplicate:
      return "duplicate sample for timestamp";
    case Appended::kOutOfOrder:
      return "out of order sample";
    case Appended::kTooOld:
      return "out of bounds";
    case Appended::kUnknownSeries:
      return "unknown series";
    case Appended::kInvalid:
      return "invalid histogram";
    case Appended::kNotKept:
      return "not kept here";
  }
  return "refused";
}

int HttpStatus(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return 400;
    case Code::kResourceExhausted:
    case Code::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

WriteReceiver::WriteReceiver(storage::Appendable& storage, const base::Clock& clock,
                             Options options)
    : storage_(storage),
      clock_(clock),
      options_(options),
      identities_(std::make_unique<SeriesIdentities>(clock)),
      metadata_(clock) {}
WriteReceiver::~WriteReceiver() = default;

net::HttpResponse WriteReceiver::Handle(const net::HttpRequest& request) {
  ++requests_;
  const auto refuse = [this](int status, std::string message) {
    ++refused_requests_;
    return net::HttpResponse::Text(status, std::move(message) + "\n");
  };
  const std::string_view content_type = request.headers.Get("Content-Type");
  const std::string proto = net::MediaTypeParameter(content_type, "proto");
  if (net::MediaType(content_type) != "application/x-protobuf" ||
      (!proto.empty() && proto != "prometheus.WriteRequest")) {
    return refuse(415, fmt::format("Content-Type \"{}\" is not supported; send "
                                   "application/x-protobuf;proto=prometheus.WriteRequest",
                                   content_type));
  }
  const std::string_view encoding = request.headers.Get("Content-Encoding");
  if (!encoding.empty() && encoding != "snappy") {
    return refuse(415,
                  fmt::format("Content-Encoding \"{}\" is not supported; send snappy", encoding));
  }
  const base::Result<std::string> body =
      compress::SnappyDecode(request.body, options_.body_bytes_max);
  if (!body) return refuse(400, body.error().message);
  if (const base::Status written = Write(*body); !written) {
    return refuse(HttpStatus(written.error().code), written.error().message);
  }
  return {.status = 204};
}

base::Status WriteReceiver::Write(std::string_view body) {
  identities_->Age();
  const std::unique_ptr<storage::Appender> appender = storage_.OpenAppender();
  std::optional<WriteRequest> request;
  try {
    request.emplace(body, *identities_);
  } catch (const protozero::exception& error) {
    return Fail(Code::kInvalidArgument, "malformed protobuf: {}", error.what());
  }
  identities_->Find(request->identities);
  ASSIGN_OR_RETURN(const Taken taken, Append(*request, *appender));
  RETURN_IF_ERROR(appender->Commit());
  metadata_.Take(request->metadata);
  samples_ += taken.samples;
  histograms_ += taken.histograms;
  exemplars_ += taken.exemplars;
  return {};
}

base::Result<WriteReceiver::Taken> WriteReceiver::Append(WriteRequest& request,
                                                         storage::Appender& appender) {
  const model::Timestamp newest = clock_.WallMs() + options_.future_ms_max;
  Taken taken;
  size_t sample_at = 0;
  size_t histogram_at = 0;
  size_t exemplar_at = 0;
  for (size_t i = 0; i < request.series.size(); ++i) {
    const WriteRequest::Series& series = request.series[i];
    auto& [key, ref] = request.identities[i];
    const auto resolve = [&](const Labels& labels) -> base::Status {
      ASSIGN_OR_RETURN(ref, appender.Resolve(labels));
      identities_->Put(key, ref);
      return {};
    };
    if (ref == 0) {
      const std::optional<Labels> labels = DecodeLabels(series.message);
      if (!labels) {
        ++invalid_series_;
        sample_at = series.samples_end;
        histogram_at = series.histograms_end;
        exemplar_at = series.exemplars_end;
        continue;
      }
      RETURN_IF_ERROR(resolve(*labels));
    }
    // Appends with `append`, and once more where the storage has let go of a series that had
    // nothing new for long: it begins again.
    const auto persist = [&](const auto& append) -> base::Result<Appended> {
      const Appended verdict = append(ref);
      if (verdict != Appended::kUnknownSeries) return verdict;
      const std::optional<Labels> labels = DecodeLabels(series.message);
      if (!labels) return Fail(Code::kInternal, "a series has lost its labels");
      RETURN_IF_ERROR(resolve(*labels));
      return append(ref);
    };
    const auto take = [&](model::Timestamp t, const auto& append) -> base::Status {
      Appended verdict = Appended::kTooOld;
      if (t <= newest) {
        ASSIGN_OR_RETURN(verdict, persist(append));
      }
      const auto refusal = Refusal(verdict);
      if (!refusal) return {};
      const std::optional<Labels> labels = DecodeLabels(series.message);
      return Fail(Code::kInvalidArgument, "{}: series {}, timestamp {}", *refusal,
                  labels ? labels->ToString() : "", t);
    };
    for (; sample_at < series.samples_end; ++sample_at) {
      const model::Sample& sample = request.samples[sample_at];
      RETURN_IF_ERROR(
          take(sample.t, [&](SeriesRef at) { return appender.Append(at, sample.t, sample.v); }));
      ++taken.samples;
    }
    for (; histogram_at < series.histograms_end; ++histogram_at) {
      const WrittenHistogram& sample = request.histograms[histogram_at];
      RETURN_IF_ERROR(take(sample.t, [&](SeriesRef at) {
        return std::visit([&](const auto& h) { return appender.AppendHistogram(at, sample.t, h); },
                          sample.histogram);
      }));
      ++taken.histograms;
    }
    // A sample is worth more than its exemplar: what becomes of those never fails a request.
    for (; exemplar_at < series.exemplars_end; ++exemplar_at) {
      ASSIGN_OR_RETURN(const Appended verdict, persist([&](SeriesRef at) {
                         return appender.AppendExemplar(at, request.exemplars[exemplar_at]);
                       }));
      if (verdict == Appended::kYes) {
        ++taken.exemplars;
      } else if (verdict != Appended::kSameAgain) {
        ++refused_exemplars_;
      }
    }
  }
  return taken;
}

WriteReceiver::Statistics WriteReceiver::statistics() const {
  return {.requests = requests_,
          .samples = samples_,
          .histograms = histograms_,
          .exemplars = exemplars_,
          .refused_exemplars = refused_exemplars_,
          .invalid_series = invalid_series_,
          .refused_requests = refused_requests_,
          .known_series = identities_->size()};
}

}  // namespace narthex::remote
