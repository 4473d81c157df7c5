#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "storage/storage.h"

namespace narthex::receivers {

// A series of a target, with what its exposition says about it.
struct ScrapedSeries {
  model::Labels labels;
  model::Metadata metadata;
};

// One sample of a scrape. A value.
struct ScrapedSample {
  std::shared_ptr<const ScrapedSeries> series;
  model::Timestamp time = 0;
  double value = 0;
  model::HistogramPtr histogram;          // Instead of the value; null for a number.
  std::optional<model::Timestamp> start;  // Since when it counts, where that is known.
  std::vector<model::Exemplar> exemplars;
};

// Stands in for a storage behind the scraper: remembers only which series there are, and hands on
// every scrape as a whole. Thread-safe.
class ScrapeStore final : public storage::Appendable {
 public:
  // Given the samples of one scrape, in the order of its page. An error fails the scrape.
  using Sink = std::function<base::Status(std::vector<ScrapedSample>)>;

  ScrapeStore(const base::Clock& clock, Sink sink) : clock_(clock), sink_(std::move(sink)) {}

  std::unique_ptr<storage::Appender> OpenAppender() override;
  size_t series_count() const;

 private:
  class Batch;
  struct Entry {
    std::shared_ptr<ScrapedSeries> series;
    int64_t used_ms = 0;
  };

  storage::SeriesRef RefOf(const model::Labels& labels);
  std::shared_ptr<const ScrapedSeries> Find(storage::SeriesRef ref);
  void SetMetadata(storage::SeriesRef ref, const model::Metadata& metadata);
  // Series that have ended, and those that nobody has named for long.
  void Forget(const std::vector<storage::SeriesRef>& ended);
  void Drop(storage::SeriesRef ref) REQUIRES_LOCK(mutex_);

  const base::Clock& clock_;
  const Sink sink_;
  mutable base::Mutex mutex_;
  std::unordered_map<storage::SeriesRef, Entry> entries_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, storage::SeriesRef> refs_ GUARDED_BY(mutex_);  // By labels.
  storage::SeriesRef last_ref_ GUARDED_BY(mutex_) = 0;
  int64_t swept_ms_ GUARDED_BY(mutex_) = 0;
};

}  // namespace narthex::receivers
