#include "remote/write_receiver.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <optional>
#include <protozero/pbf_message.hpp>
#include <vector>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mutex.h"
#include "base/random.h"
#include "compress/compress.h"
#include "remote/histogram_codec.h"

namespace narthex::remote {

using base::Code;
using base::Fail;
using model::Labels;
using storage::Appended;
using storage::SeriesRef;

namespace {

// Field numbers. Source: prometheus/prometheus, prompb/{remote,types}.proto.
enum class WriteRequestField : protozero::pbf_tag_type { kTimeSeries = 1 };
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

struct Key {
  uint64_t low;
  uint64_t high;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  using is_avalanching = void;
  size_t operator()(const Key& key) const { return key.low; }
};

}  // namespace

// From the keyed 128-bit hash of a series' label fields, as they stand on the wire, to the series.
// With a secret key and this width a collision is no event to plan for. Thread-safe.
class WriteReceiver::Identities {
 public:
  // `scratch` is reused from call to call.
  Key KeyOf(const std::vector<std::string_view>& labels, std::string& scratch) const {
    scratch.clear();
    for (const std::string_view label : labels) {
      const auto size = static_cast<uint32_t>(label.size());
      scratch.append(reinterpret_cast<const char*>(&size), sizeof(size));
      scratch.append(label);
    }
    const XXH128_hash_t hash = XXH3_128bits_withSeed(scratch.data(), scratch.size(), seed_);
    return {hash.low64, hash.high64};
  }

  explicit Identities(const base::Clock& clock) : clock_(clock) {}

  std::optional<SeriesRef> Find(const Key& key) {
    {
      base::SharedLock lock(mutex_);
      if (const auto found = refs_.find(key); found != refs_.end()) return found->second;
      if (!older_.contains(key)) return std::nullopt;
    }
    base::MutexLock lock(mutex_);
    const auto found = older_.find(key);
    if (found == older_.end()) return std::nullopt;
    const SeriesRef ref = found->second;
    older_.erase(found);
    refs_[key] = ref;
    return ref;
  }

  void Put(const Key& key, SeriesRef ref) {
    base::MutexLock lock(mutex_);
    refs_[key] = ref;
  }

  // Forgets series that nobody has written for an hour or two: they come and go.
  void Age() {
    constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;
    const int64_t now = clock_.MonotonicNs();
    if (now - aged_at_.load(std::memory_order_relaxed) < kHourNs) return;
    base::MutexLock lock(mutex_);
    if (now - aged_at_ < kHourNs) return;
    // After two hours without a request all is as old as that.
    older_ = now - aged_at_ < 2 * kHourNs ? std::move(refs_) : Refs();
    refs_ = Refs();
    aged_at_ = now;
  }

  size_t size() const {
    base::SharedLock lock(mutex_);
    return refs_.size() + older_.size();
  }

 private:
  using Refs = boost::unordered_flat_map<Key, SeriesRef, KeyHash>;

  const base::Clock& clock_;
  const uint64_t seed_ = base::RandomSeed();
  mutable base::Mutex mutex_;
  Refs refs_ GUARDED_BY(mutex_);   // Written since aged_at_,
  Refs older_ GUARDED_BY(mutex_);  // and in the hour before.
  std::atomic<int64_t> aged_at_{clock_.MonotonicNs()};
};

namespace {

// nullopt where the labels cannot name a series. Senders sort them and leave none empty: then
// nothing is copied but the result.
std::optional<Labels> DecodeLabels(const std::vector<std::string_view>& fields) {
  std::vector<model::LabelView> labels;
  labels.reserve(fields.size());
  bool sorted = true;
  bool named = false;
  for (const std::string_view field : fields) {
    model::LabelView label;
    protozero::pbf_message<LabelField> reader(field.data(), field.size());
    while (reader.next()) {
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
      identities_(std::make_unique<Identities>(clock)),
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
  const model::Timestamp newest = clock_.WallMs() + options_.future_ms_max;
  uint64_t samples = 0;
  uint64_t histograms = 0;
  uint64_t exemplars = 0;
  std::vector<std::string_view> label_fields;
  std::vector<model::Sample> series_samples;
  std::vector<WrittenHistogram> series_histograms;
  std::vector<model::Exemplar> series_exemplars;
  std::string scratch;
  try {
    protozero::pbf_message<WriteRequestField> reader(body.data(), body.size());
    while (reader.next(WriteRequestField::kTimeSeries)) {
      label_fields.clear();
      series_samples.clear();
      series_histograms.clear();
      series_exemplars.clear();
      for (TimeSeriesReader series(reader.get_view()); series.next();) {
        switch (series.tag()) {
          case TimeSeriesField::kLabels:
            label_fields.push_back(View(series.get_view()));
            break;
          case TimeSeriesField::kSamples:
            series_samples.push_back(DecodeSample(series.get_view()));
            break;
          case TimeSeriesField::kExemplars:
            series_exemplars.push_back(DecodeExemplar(View(series.get_view())));
            break;
          case TimeSeriesField::kHistograms:
            series_histograms.push_back(DecodeHistogram(View(series.get_view())));
            break;
          default:
            series.skip();
        }
      }
      if (series_samples.empty() && series_histograms.empty() && series_exemplars.empty()) continue;
      const Key key = identities_->KeyOf(label_fields, scratch);
      std::optional<SeriesRef> ref = identities_->Find(key);
      if (!ref) {
        const std::optional<Labels> labels = DecodeLabels(label_fields);
        if (!labels) {
          ++invalid_series_;
          continue;
        }
        ASSIGN_OR_RETURN(ref, appender->Resolve(*labels));
        identities_->Put(key, *ref);
      }
      // Appends with `append`, and once more where the storage has let go of a series that had
      // nothing new for long: it begins again.
      const auto persist = [&](const auto& append) -> base::Result<Appended> {
        Appended verdict = append(*ref);
        if (verdict != Appended::kUnknownSeries) return verdict;
        const std::optional<Labels> labels = DecodeLabels(label_fields);
        if (!labels) return Fail(Code::kInternal, "a series has lost its labels");
        ASSIGN_OR_RETURN(ref, appender->Resolve(*labels));
        identities_->Put(key, *ref);
        return append(*ref);
      };
      const auto take = [&](model::Timestamp t, const auto& append) -> base::Status {
        Appended verdict = Appended::kTooOld;
        if (t <= newest) {
          ASSIGN_OR_RETURN(verdict, persist(append));
        }
        const auto refusal = Refusal(verdict);
        if (!refusal) return {};
        const std::optional<Labels> labels = DecodeLabels(label_fields);
        return Fail(Code::kInvalidArgument, "{}: series {}, timestamp {}", *refusal,
                    labels ? labels->ToString() : "", t);
      };
      for (const model::Sample& sample : series_samples) {
        RETURN_IF_ERROR(
            take(sample.t, [&](SeriesRef at) { return appender->Append(at, sample.t, sample.v); }));
        ++samples;
      }
      for (const WrittenHistogram& sample : series_histograms) {
        RETURN_IF_ERROR(take(sample.t, [&](SeriesRef at) {
          return std::visit(
              [&](const auto& h) { return appender->AppendHistogram(at, sample.t, h); },
              sample.histogram);
        }));
        ++histograms;
      }
      // A sample is worth more than its exemplar: what becomes of those never fails a request.
      for (const model::Exemplar& exemplar : series_exemplars) {
        ASSIGN_OR_RETURN(const Appended verdict, persist([&](SeriesRef at) {
                           return appender->AppendExemplar(at, exemplar);
                         }));
        if (verdict == Appended::kYes) {
          ++exemplars;
        } else if (verdict != Appended::kSameAgain) {
          ++refused_exemplars_;
        }
      }
    }
  } catch (const protozero::exception& error) {
    return Fail(Code::kInvalidArgument, "malformed protobuf: {}", error.what());
  }
  ASSIGN_OR_RETURN(const auto metadata, ReceivedMetadata::Decode(body));
  RETURN_IF_ERROR(appender->Commit());
  metadata_.Take(metadata);
  samples_ += samples;
  histograms_ += histograms;
  exemplars_ += exemplars;
  return {};
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
