#include "scrape/loop.h"

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "exposition/parser.h"
#include "net/http_session.h"

namespace narthex::scrape {

using base::Code;
using base::Fail;
using model::Label;
using model::Labels;
using model::LabelView;
using model::Timestamp;
using storage::Appended;
using storage::SeriesRef;

namespace {

constexpr std::string_view kReportNames[5] = {
    "up", "scrape_duration_seconds", "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling", "scrape_series_added"};
// A sample this far ahead of the scrape is refused.
constexpr int64_t kFutureMsMax = 10 * 60'000;
constexpr uint64_t kMetadataScrapes = 10;
// Of the series of a family, behind its name.
constexpr std::array<std::string_view, 9> kSuffixes = {
    "", "_bucket", "_sum", "_count", "_total", "_created", "_info", "_gcount", "_gsum"};

// The protocol of an answer; versions of one format do not matter here.
base::Result<Protocol> ProtocolOf(std::string_view content_type, const JobConfig& job) {
  const std::string media = net::MediaType(content_type);
  if (media == "application/openmetrics-text") return Protocol::kOpenMetrics100;
  if (media == "text/plain") return Protocol::kText004;
  if (media == "application/vnd.google.protobuf") return Protocol::kProtobuf;
  if (job.fallback_protocol) return *job.fallback_protocol;
  return Fail(Code::kInvalidArgument,
              "received unsupported Content-Type \"{}\" and no fallback_scrape_protocol is set",
              content_type);
}

// Whether a series that one of these jobs scrapes has the same labels under the other, or is
// refused by both.
bool MakesSameLabels(const JobConfig& a, const JobConfig& b) {
  return a.honor_labels == b.honor_labels && a.metric_rules == b.metric_rules &&
         a.limits.labels == b.limits.labels &&
         a.limits.label_name_bytes == b.limits.label_name_bytes &&
         a.limits.label_value_bytes == b.limits.label_value_bytes;
}

template <class Parser>
constexpr bool kHasHistograms = requires(const Parser& parser) { parser.histogram(); };

template <class Parser>
bool IsSample(typename Parser::Entry entry) {
  if constexpr (kHasHistograms<Parser>) {
    if (entry == Parser::Entry::kHistogram) return true;
  }
  return entry == Parser::Entry::kSeries;
}

}  // namespace

std::string AcceptHeader(const std::vector<Protocol>& protocols) {
  std::string accept;
  int weight = 6;
  for (const Protocol protocol : protocols) {
    switch (protocol) {
      case Protocol::kProtobuf:
        accept +=
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited;escaping=allow-utf-8";
        break;
      case Protocol::kOpenMetrics100:
        accept += "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";
        break;
      case Protocol::kOpenMetrics001:
        accept += "application/openmetrics-text;version=0.0.1";
        break;
      case Protocol::kText100:
        accept += "text/plain;version=1.0.0;escaping=allow-utf-8";
        break;
      case Protocol::kText004:
        accept += "text/plain;version=0.0.4";
        break;
    }
    accept += fmt::format(";q=0.{},", weight--);
  }
  return accept + fmt::format("*/*;q=0.{}", weight);
}

Loop::Loop(std::shared_ptr<const JobConfig> job, Target target, storage::Appendable& storage)
    : job_(std::move(job)), target_(std::move(target)), storage_(storage) {}

void Loop::Reconfigure(std::shared_ptr<const JobConfig> job, const Target& target) {
  if (!MakesSameLabels(*job, *job_)) {
    cache_.Clear([this](SeriesRef ref) { replaced_.push_back(ref); });
  }
  job_ = std::move(job);
  target_ = target;
}

template <class Gone>
void Loop::EndReplaced(Gone gone) {
  if (replaced_.empty()) return;
  boost::unordered_flat_set<SeriesRef> present;
  cache_.ForEach([&](SeriesRef ref) { present.insert(ref); });
  for (const SeriesRef ref : std::exchange(replaced_, {})) {
    if (!present.contains(ref)) gone(ref);
  }
}

net::HttpClientRequest Loop::Request() const {
  net::HttpClientRequest request{.url = target_.url};
  request.timeout = std::chrono::milliseconds(target_.timeout_ms);
  request.response_bytes_max = job_->limits.body_bytes != 0 ? job_->limits.body_bytes : 1u << 30;
  request.accept_gzip = job_->enable_compression;
  request.headers.Set("Accept", AcceptHeader(job_->protocols));
  request.headers.Set("User-Agent", net::kUserAgent);
  request.headers.Set("X-Prometheus-Scrape-Timeout-Seconds",
                      fmt::format("{}", static_cast<double>(target_.timeout_ms) / 1000));
  return request;
}

Outcome Loop::Finish(const base::Result<net::HttpClientResponse>& response, Timestamp time,
                     double duration_seconds) {
  Outcome outcome{.time = time, .duration_seconds = duration_seconds};
  ++scrape_;
  std::unique_ptr<storage::Appender> appender = storage_.OpenAppender();
  if (!response) {
    outcome.status = std::unexpected(response.error());
    if (response.error().code == Code::kResourceExhausted) exceeded_ = ExceededLimit::kBodySize;
  } else if (response->status != 200) {
    outcome.status = Fail(Code::kUnavailable, "server returned HTTP status {} {}", response->status,
                          net::StatusText(response->status));
  } else {
    outcome.status = AppendBody(*response, time, *appender, outcome);
  }
  outcome.exceeded = std::exchange(exceeded_, ExceededLimit::kNone);
  if (!outcome.status) {
    // Nothing of a bad scrape is kept; it still ends what was there before.
    appender->Rollback();
    appender = storage_.OpenAppender();
    outcome.added = 0;
    outcome.kept = 0;
  }
  const auto end = [&](SeriesRef ref) { appender->Append(ref, time, model::StaleNan()); };
  if (outcome.status) {
    cache_.End(end);
  } else {
    cache_.Clear(end);
  }
  EndReplaced(end);
  ForgetMetadata();
  base::Status finished = AppendReport(*appender, outcome);
  if (finished) finished = appender->Commit();
  if (!finished && outcome.status) outcome.status = std::move(finished);
  return outcome;
}

void Loop::MarkStale(Timestamp time) {
  ++scrape_;
  const std::unique_ptr<storage::Appender> appender = storage_.OpenAppender();
  const auto end = [&](SeriesRef ref) { appender->Append(ref, time, model::StaleNan()); };
  cache_.Clear(end);
  EndReplaced(end);
  for (const SeriesRef ref : report_refs_) {
    if (ref != 0) appender->Append(ref, time, model::StaleNan());
  }
  ForgetMetadata();
  // The series end by look-back as well, should the storage refuse.
  std::ignore = appender->Commit();
}

base::Status Loop::AppendBody(const net::HttpClientResponse& response, Timestamp time,
                              storage::Appender& appender, Outcome& outcome) {
  ASSIGN_OR_RETURN(const Protocol protocol,
                   ProtocolOf(response.headers.Get("Content-Type"), *job_));
  switch (protocol) {
    case Protocol::kProtobuf:
      return AppendEntries(
          exposition::ProtobufParser(response.body,
                                     {.native_histograms = job_->histograms.native,
                                      .classic_histograms = job_->histograms.always_classic}),
          time, appender, outcome);
    case Protocol::kOpenMetrics100:
    case Protocol::kOpenMetrics001:
      return AppendEntries(exposition::Parser(response.body, exposition::Format::kOpenMetrics),
                           time, appender, outcome);
    case Protocol::kText100:
    case Protocol::kText004:
      break;
  }
  return AppendEntries(exposition::Parser(response.body, exposition::Format::kText), time, appender,
                       outcome);
}

template <class Parser>
base::Status Loop::AppendEntries(Parser parser, Timestamp time, storage::Appender& appender,
                                 Outcome& outcome) {
  auto* const starts = dynamic_cast<StartTimeSink*>(&appender);
  cache_.Begin();
  for (;;) {
    ASSIGN_OR_RETURN(const auto found, parser.Next());
    if (!found) break;
    if (!IsSample<Parser>(*found)) {
      NoteMetadata(parser, *found);
      continue;
    }
    ++outcome.scraped;
    const std::string_view text = parser.series();
    SeriesCache::Entry* entry = cache_.Find(text);
    const bool seen_before = entry != nullptr;
    if (!seen_before) {
      ASSIGN_OR_RETURN(const uint32_t ref, Resolve(parser.Labels(), appender));
      entry = cache_.Add(ref);
    }
    if (entry->ref == 0) continue;
    ++outcome.kept;
    if (job_->limits.samples != 0 && outcome.kept > job_->limits.samples) {
      return Exceeded(ExceededLimit::kSamples,
                      fmt::format("sample limit of {} exceeded", job_->limits.samples));
    }
    const bool own_time = job_->honor_timestamps && parser.timestamp().has_value();
    const Timestamp t = own_time ? *parser.timestamp() : time;
    Appended verdict = Appended::kTooOld;
    if (t <= time + kFutureMsMax) {
      ASSIGN_OR_RETURN(verdict, AppendValue(parser, entry->ref, t, appender));
      if (verdict == Appended::kUnknownSeries) {
        // The storage has let go of a series that had nothing new for long: it begins again.
        ASSIGN_OR_RETURN(entry->ref, Resolve(parser.Labels(), appender));
        ASSIGN_OR_RETURN(verdict, AppendValue(parser, entry->ref, t, appender));
      }
    }
    Count(verdict, outcome);
    const bool stored = verdict == Appended::kYes || verdict == Appended::kSameAgain;
    if (stored) AppendExemplars(parser, entry->ref, t, appender, outcome);
    if constexpr (kHasHistograms<Parser>) {
      if (stored && parser.created() && starts != nullptr) {
        starts->SetStart(entry->ref, *parser.created());
      }
    }
    if (stored && (!seen_before || metadata_version_ != told_version_)) {
      TellMetadata(entry->ref, text, parser.family(), appender);
    }
    // A sample with a time of its own says nothing about the scrapes that lack it.
    entry->tracked = !own_time || job_->track_timestamps_staleness;
    if (!seen_before) ++outcome.added;
  }
  told_version_ = metadata_version_;
  return {};
}

template <class Parser>
base::Result<Appended> Loop::AppendValue(const Parser& parser, SeriesRef series, Timestamp t,
                                         storage::Appender& appender) {
  if constexpr (kHasHistograms<Parser>) {
    if (parser.entry() == Parser::Entry::kHistogram) {
      return std::visit(
          [&](const auto& histogram) -> base::Result<Appended> {
            ASSIGN_OR_RETURN(const auto limited, Limited(histogram));
            return appender.AppendHistogram(series, t, limited);
          },
          parser.histogram());
    }
  }
  return appender.Append(series, t, parser.value());
}

template <class Histogram>
base::Result<Histogram> Loop::Limited(Histogram histogram) {
  const auto buckets = [&] {
    uint64_t count = 0;
    for (const auto* spans : {&histogram.positive_spans, &histogram.negative_spans}) {
      for (const model::BucketSpan& span : *spans) count += span.length;
    }
    return count;
  };
  const auto coarsen = [&] {
    if (histogram.schema <= model::kExponentialSchemaMin) return false;
    histogram.ReduceResolution(histogram.schema - 1);
    return true;
  };
  const Limits& limits = job_->limits;
  if (limits.histogram_bucket_factor > 1) {
    while (std::exp2(std::exp2(-histogram.schema)) < limits.histogram_bucket_factor && coarsen()) {
    }
  }
  while (limits.histogram_buckets != 0 && buckets() > limits.histogram_buckets) {
    if (!coarsen()) {
      return Exceeded(
          ExceededLimit::kHistogramBuckets,
          fmt::format("native_histogram_bucket_limit of {} exceeded", limits.histogram_buckets));
    }
  }
  return histogram;
}

template <class Parser>
void Loop::AppendExemplars(const Parser& parser, SeriesRef series, Timestamp t,
                           storage::Appender& appender, Outcome& outcome) const {
  if constexpr (kHasHistograms<Parser>) {
    if (parser.entry() == Parser::Entry::kHistogram) {
      bool taken = false, late = false;
      for (const model::Exemplar& exemplar : parser.histogram_exemplars()) {
        const Appended verdict = appender.AppendExemplar(series, exemplar);
        (verdict == Appended::kOutOfOrder ? late : taken) = true;
      }
      // Those of the scrape before come again: only a series with nothing new is late.
      if (late && !taken) ++outcome.exemplars_out_of_order;
      return;
    }
  }
  if (!parser.exemplar()) return;
  model::Exemplar exemplar = *parser.exemplar();
  if (!exemplar.timestamp) exemplar.timestamp = t;
  if (appender.AppendExemplar(series, exemplar) == Appended::kOutOfOrder) {
    ++outcome.exemplars_out_of_order;
  }
}

void Loop::TellMetadata(SeriesRef series, std::string_view text, std::string_view family,
                        storage::Appender& appender) const {
  // Names of series begin with that of their family.
  if (family.empty() || !text.starts_with(family)) return;
  const std::string_view rest = text.substr(family.size());
  const std::string_view suffix = rest.substr(0, rest.find('{'));
  if (std::ranges::find(kSuffixes, suffix) == kSuffixes.end()) return;
  const auto found = metadata_.find(family);
  if (found != metadata_.end()) appender.SetMetadata(series, found->second.metadata);
}

template <class Parser>
void Loop::NoteMetadata(const Parser& parser, typename Parser::Entry kind) {
  using Kind = typename Parser::Entry;
  if (kind != Kind::kType && kind != Kind::kHelp && kind != Kind::kUnit) return;  // A comment.
  auto at = metadata_.find(parser.family());
  if (at == metadata_.end()) at = metadata_.try_emplace(std::string(parser.family())).first;
  at->second.last_scrape = scrape_;
  model::Metadata& metadata = at->second.metadata;
  const auto set = [this](auto& field, const auto& value) {
    if (field == value) return;
    field = value;
    ++metadata_version_;
  };
  if (kind == Kind::kType) set(metadata.type, parser.type());
  if (kind == Kind::kHelp) set(metadata.help, parser.text());
  if (kind == Kind::kUnit) set(metadata.unit, parser.text());
}

base::Result<uint32_t> Loop::Resolve(const base::Result<Labels>& parsed,
                                     storage::Appender& appender) {
  if (!parsed) return std::unexpected(parsed.error());
  ASSIGN_OR_RETURN(const Labels labels, LabelsOfSample(*parsed));
  if (labels.empty()) return 0;
  ASSIGN_OR_RETURN(const SeriesRef ref, appender.Resolve(labels));
  if (ref > SeriesCache::kRefMax) {
    return Fail(Code::kResourceExhausted, "the storage has more series than can be scraped into");
  }
  return static_cast<uint32_t>(ref);
}

std::unexpected<base::Error> Loop::Exceeded(ExceededLimit limit, std::string message) {
  exceeded_ = limit;
  return std::unexpected(base::Error{Code::kResourceExhausted, std::move(message)});
}

base::Result<Labels> Loop::LabelsOfSample(const Labels& scraped) {
  model::LabelsBuilder labels(scraped);
  for (const LabelView mine : target_.labels) {
    const std::string theirs(scraped.Get(mine.name));
    if (theirs.empty()) {
      labels.Set(mine.name, mine.value);
    } else if (!job_->honor_labels) {
      std::string exported = "exported_" + std::string(mine.name);
      while (!labels.Get(exported).empty()) exported = "exported_" + exported;
      labels.Set(exported, theirs);
      labels.Set(mine.name, mine.value);
    }
  }
  if (!relabel::Apply(job_->metric_rules, labels)) return Labels();
  Labels result = labels.Build();
  if (!result.Has(model::kMetricName)) {
    return Fail(Code::kInvalidArgument, "a sample has no metric name after relabelling");
  }
  const Limits& limits = job_->limits;
  if (limits.labels != 0 && result.size() > limits.labels) {
    return Exceeded(ExceededLimit::kLabels, fmt::format("label_limit of {} exceeded by {}",
                                                        limits.labels, result.ToString()));
  }
  for (const LabelView label : result) {
    if (limits.label_name_bytes != 0 && label.name.size() > limits.label_name_bytes) {
      return Exceeded(ExceededLimit::kLabels,
                      fmt::format("label_name_length_limit of {} exceeded by {}",
                                  limits.label_name_bytes, result.ToString()));
    }
    if (limits.label_value_bytes != 0 && label.value.size() > limits.label_value_bytes) {
      return Exceeded(ExceededLimit::kLabels,
                      fmt::format("label_value_length_limit of {} exceeded by {}",
                                  limits.label_value_bytes, result.ToString()));
    }
  }
  return result;
}

void Loop::ForgetMetadata() {
  metadata_version_ += std::erase_if(metadata_, [this](const auto& item) {
    return item.second.last_scrape + kMetadataScrapes < scrape_;
  });
}

base::Status Loop::AppendReport(storage::Appender& appender, const Outcome& outcome) {
  const double values[5] = {outcome.status ? 1.0 : 0.0, outcome.duration_seconds,
                            static_cast<double>(outcome.scraped), static_cast<double>(outcome.kept),
                            static_cast<double>(outcome.added)};
  for (size_t i = 0; i < 5; ++i) {
    if (report_refs_[i] == 0) {
      model::LabelsBuilder labels(target_.labels);
      labels.Set(model::kMetricName, kReportNames[i]);
      ASSIGN_OR_RETURN(report_refs_[i], appender.Resolve(labels.Build()));
    }
    if (appender.Append(report_refs_[i], outcome.time, values[i]) == Appended::kUnknownSeries) {
      report_refs_[i] = 0;  // Found again by the next scrape.
    }
  }
  return {};
}

void Loop::Count(Appended verdict, Outcome& outcome) {
  switch (verdict) {
    case Appended::kYes:
    case Appended::kSameAgain:
      break;
    case Appended::kDuplicate:
      ++outcome.duplicate;
      break;
    case Appended::kOutOfOrder:
      ++outcome.out_of_order;
      break;
    case Appended::kTooOld:
    case Appended::kUnknownSeries:
      ++outcome.out_of_bounds;
      break;
    case Appended::kInvalid:
    case Appended::kNotKept:
      break;
  }
}

}  // namespace narthex::scrape
