#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "exposition/parser.h"
#include "exposition/protobuf_parser.h"
#include "model/metadata.h"
#include "net/http_client.h"
#include "scrape/config.h"
#include "scrape/series_cache.h"
#include "scrape/target.h"
#include "storage/storage.h"

namespace narthex::scrape {

// A limit that a scrape has run into.
enum class ExceededLimit { kNone, kBodySize, kSamples, kLabels, kHistogramBuckets };

// What one scrape came to.
struct Outcome {
  base::Status status;  // Why `up` is 0.
  ExceededLimit exceeded = ExceededLimit::kNone;
  model::Timestamp time = 0;  // Of its samples.
  double duration_seconds = 0;
  uint64_t scraped = 0;  // Samples in the body.
  uint64_t kept = 0;     // After metric relabelling.
  uint64_t added = 0;    // Series not in the scrape before.
  uint64_t out_of_order = 0;
  uint64_t duplicate = 0;
  uint64_t out_of_bounds = 0;
  uint64_t exemplars_out_of_order = 0;
};

// An appender that takes start times besides. One thread at a time.
class StartTimeSink {
 public:
  virtual ~StartTimeSink() = default;
  // Since when the sample that was appended last counts; it is of this series.
  virtual void SetStart(storage::SeriesRef series, model::Timestamp start) = 0;
};

// The memory of one target from scrape to scrape: which text is which series, and which series were
// there last time. Writes the samples, stale markers and the five report series of every scrape as
// one batch. One thread at a time.
class Loop {
 public:
  Loop(std::shared_ptr<const JobConfig> job, Target target, storage::Appendable& storage);

  // The next scrapes are as these say. `target` has the labels and the URL that it had. Where the
  // labels of series may become others, what the last scrape had and the next has not ends then.
  void Reconfigure(std::shared_ptr<const JobConfig> job, const Target& target);

  const Target& target() const { return target_; }
  net::HttpClientRequest Request() const;

  // Takes the answer of a scrape begun at `time`. A scrape with any error writes stale markers for
  // all series and `up` 0.
  Outcome Finish(const base::Result<net::HttpClientResponse>& response, model::Timestamp time,
                 double duration_seconds);
  // Ends all series of the target with stale markers, for a target that is gone.
  void MarkStale(model::Timestamp time);

  struct FamilyMetadata {
    model::Metadata metadata;
    uint64_t last_scrape = 0;
  };
  // By family name, as of the last scrapes. The version changes with the content.
  uint64_t metadata_version() const { return metadata_version_; }
  const std::map<std::string, FamilyMetadata, std::less<>>& metadata() const { return metadata_; }

 private:
  base::Status AppendBody(const net::HttpClientResponse& response, model::Timestamp time,
                          storage::Appender& appender, Outcome& outcome);
  // Parser: exposition::Parser or ProtobufParser.
  template <class Parser>
  base::Status AppendEntries(Parser parser, model::Timestamp time, storage::Appender& appender,
                             Outcome& outcome);
  // Of the series at hand.
  template <class Parser>
  base::Result<storage::Appended> AppendValue(const Parser& parser, storage::SeriesRef series,
                                              model::Timestamp t, storage::Appender& appender);
  template <class Parser>
  void AppendExemplars(const Parser& parser, storage::SeriesRef series, model::Timestamp t,
                       storage::Appender& appender, Outcome& outcome) const;
  // Coarser, where the limits ask for it. Error: kResourceExhausted.
  template <class Histogram>
  base::Result<Histogram> Limited(Histogram histogram);
  // 0 for a sample that metric relabelling drops.
  base::Result<uint32_t> Resolve(const base::Result<model::Labels>& parsed,
                                 storage::Appender& appender);
  // Labels of a sample after merging in the target's and metric relabelling; empty when dropped.
  base::Result<model::Labels> LabelsOfSample(const model::Labels& scraped);
  std::unexpected<base::Error> Exceeded(ExceededLimit limit, std::string message);
  template <class Parser>
  void NoteMetadata(const Parser& parser, typename Parser::Entry kind);
  // Gives the storage what the exposition says of the series' family, if that is the last one
  // named.
  void TellMetadata(storage::SeriesRef series, std::string_view text, std::string_view family,
                    storage::Appender& appender) const;
  base::Status AppendReport(storage::Appender& appender, const Outcome& outcome);
  // Calls gone(ref) for each series of replaced_ that is not in the cache.
  template <class Gone>
  void EndReplaced(Gone gone);
  void ForgetMetadata();
  static void Count(storage::Appended verdict, Outcome& outcome);

  std::shared_ptr<const JobConfig> job_;
  Target target_;
  storage::Appendable& storage_;
  SeriesCache cache_;
  std::vector<storage::SeriesRef> replaced_;  // Of the last scrape, from before a reconfiguration.
  uint64_t scrape_ = 0;                       // Number of the scrape under way.
  ExceededLimit exceeded_ = ExceededLimit::kNone;  // By it.
  std::map<std::string, FamilyMetadata, std::less<>> metadata_;
  uint64_t metadata_version_ = 0;
  uint64_t told_version_ = 0;  // What the storage knows.
  storage::SeriesRef report_refs_[5] = {};
};

// The Accept header for these formats, in falling order of weight. Source: Prometheus, scrape.
std::string AcceptHeader(const std::vector<Protocol>& protocols);

}  // namespace narthex::scrape
