#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace narthex::storage {

// The seam between those who write and read samples (scrape, remote write, PromQL, the HTTP API)
// and those who keep them (tsdb).

// A series as its storage knows it; valid until the storage closes. 0 is none.
using SeriesRef = uint64_t;

// The fate of one sample. Callers count them; none is an error of the batch.
enum class Appended {
  kYes,
  kSameAgain,      // Same time and value as the newest sample: nothing to do, fine.
  kDuplicate,      // Same time as the newest sample, another value.
  kOutOfOrder,     // Older than the newest sample of its series.
  kTooOld,         // Older than the storage takes.
  kUnknownSeries,  // The reference does not (or no longer) exist.
  kInvalid,        // A histogram or an exemplar that breaks the rules of its form.
  kNotKept,        // The storage is not set up to keep the like.
};

// Collects one batch (a scrape, a request) and writes it as a whole: readers see all of a committed
// batch or nothing. One thread at a time; dropping it rolls back.
class Appender {
 public:
  virtual ~Appender() = default;

  // The series with these labels, created if new. Error: kResourceExhausted at the series limit,
  // kInvalidArgument for labels that cannot be stored.
  virtual base::Result<SeriesRef> Resolve(const model::Labels& labels) = 0;
  // Judges and takes one sample. The verdict can still change to a refusal at Commit, when another
  // batch wrote the same series in between.
  virtual Appended Append(SeriesRef series, model::Timestamp t, double v) = 0;
  // The same for native histograms. A stale marker is one whose sum is that NaN, or a number.
  virtual Appended AppendHistogram(SeriesRef series, model::Timestamp t,
                                   const model::IntegerHistogram& histogram) = 0;
  virtual Appended AppendHistogram(SeriesRef series, model::Timestamp t,
                                   const model::FloatHistogram& histogram) = 0;
  // kInvalid without a time and with labels that are too long.
  virtual Appended AppendExemplar(SeriesRef series, const model::Exemplar& exemplar) = 0;
  // What is known of the series from now on; nothing where the storage keeps no metadata.
  virtual void SetMetadata(SeriesRef series, const model::Metadata& metadata) = 0;
  // Whether that does anything.
  virtual bool keeps_metadata() const { return true; }
  // Writes the batch to the log, then makes it visible. After an error nothing of it is visible.
  virtual base::Status Commit() = 0;
  virtual void Rollback() = 0;
};

// Series in label order with their samples. Immutable; thread-safe: many threads may Read at once.
class SeriesSet {
 public:
  virtual ~SeriesSet() = default;
  virtual size_t size() const = 0;
  // REQUIRES: i < size().
  virtual model::Labels labels(size_t i) const = 0;
  // Replaces `out` by them, for those who go through many and use its memory again.
  virtual void ReadLabels(size_t i, model::Labels& out) const { out = labels(i); }
  // Replaces `out` by the samples of series `i` within `range`, in time order, stale markers
  // included. Error: kDataLoss for damaged data.
  virtual base::Status Read(size_t i, model::TimeRange range, model::SampleColumns& out) const = 0;
};

// A consistent view of a storage for one query. One thread at a time, but for the SeriesSets that
// it returns, which must not outlive it.
class Querier {
 public:
  virtual ~Querier() = default;
  // Select may use as many, the caller's among them. One where nobody says so.
  virtual void UseThreads(size_t /*threads*/) {}
  // Series that match all and may have samples in the querier's range.
  virtual base::Result<std::unique_ptr<SeriesSet>> Select(
      const std::vector<model::Matcher>& matchers) = 0;
  // The same for those who will Read with `range` and look at nothing but the newest sample of a
  // series: what is older may be left out.
  virtual base::Result<std::unique_ptr<SeriesSet>> SelectNewest(
      const std::vector<model::Matcher>& matchers, model::TimeRange /*range*/) {
    return Select(matchers);
  }
  // Sorted, of the series that match all (every series when there is no matcher).
  virtual base::Result<std::vector<std::string>> LabelNames(
      const std::vector<model::Matcher>& matchers) = 0;
  virtual base::Result<std::vector<std::string>> LabelValues(
      std::string_view name, const std::vector<model::Matcher>& matchers) = 0;
};

// Something that hands out queriers. Thread-safe.
class Queryable {
 public:
  virtual ~Queryable() = default;
  virtual base::Result<std::unique_ptr<Querier>> OpenQuerier(model::TimeRange range) = 0;
};

// The exemplars of one series in time order.
struct ExemplarSeries {
  model::Labels labels;
  std::vector<model::Exemplar> exemplars;
};

// Something that finds exemplars. Thread-safe.
class ExemplarQueryable {
 public:
  virtual ~ExemplarQueryable() = default;
  // Those within `range` of the series that match all matchers of one of the selectors, in label
  // order.
  virtual base::Result<std::vector<ExemplarSeries>> SelectExemplars(
      std::span<const std::vector<model::Matcher>> selectors, model::TimeRange range) const = 0;
};

struct SeriesMetadata {
  model::Labels labels;
  model::Metadata metadata;
};

// Something that knows the metadata of series. Thread-safe.
class MetadataQueryable {
 public:
  virtual ~MetadataQueryable() = default;
  // The newest of each series that matches all and has any, in label order.
  virtual base::Result<std::vector<SeriesMetadata>> SelectMetadata(
      const std::vector<model::Matcher>& matchers) const = 0;
};

// Something that takes samples. Thread-safe.
class Appendable {
 public:
  virtual ~Appendable() = default;
  virtual std::unique_ptr<Appender> OpenAppender() = 0;
};

}  // namespace narthex::storage
