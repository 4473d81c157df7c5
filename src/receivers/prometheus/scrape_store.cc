#include "receivers/prometheus/scrape_store.h"

#include "scrape/loop.h"

namespace narthex::receivers {
namespace {

using storage::Appended;
using storage::SeriesRef;

constexpr int64_t kForgetMs = 3'600'000;
constexpr int64_t kSweepMs = 600'000;

}  // namespace

// The samples of one scrape. One thread at a time.
class ScrapeStore::Batch final : public storage::Appender, public scrape::StartTimeSink {
 public:
  explicit Batch(ScrapeStore& store) : store_(store) {}

  base::Result<SeriesRef> Resolve(const model::Labels& labels) override {
    return store_.RefOf(labels);
  }

  Appended Append(SeriesRef ref, model::Timestamp t, double v) override {
    if (model::IsStaleNan(v)) ended_.push_back(ref);
    return Put(ref, {.series = nullptr, .time = t, .value = v});
  }
  Appended AppendHistogram(SeriesRef ref, model::Timestamp t,
                           const model::IntegerHistogram& histogram) override {
    return AppendHistogram(ref, t, histogram.ToFloat());
  }
  Appended AppendHistogram(SeriesRef ref, model::Timestamp t,
                           const model::FloatHistogram& histogram) override {
    return Put(ref, {.series = nullptr,
                     .time = t,
                     .histogram = std::make_shared<const model::FloatHistogram>(histogram)});
  }

  void SetStart(SeriesRef ref, model::Timestamp start) override {
    if (!samples_.empty() && ref == last_ref_) samples_.back().start = start;
  }

  Appended AppendExemplar(SeriesRef ref, const model::Exemplar& exemplar) override {
    if (samples_.empty() || ref != last_ref_) return Appended::kInvalid;
    samples_.back().exemplars.push_back(exemplar);
    return Appended::kYes;
  }

  void SetMetadata(SeriesRef ref, const model::Metadata& metadata) override {
    store_.SetMetadata(ref, metadata);
  }

  base::Status Commit() override {
    base::Status status = samples_.empty() ? base::Status() : store_.sink_(std::move(samples_));
    store_.Forget(ended_);
    Rollback();
    return status;
  }
  void Rollback() override {
    samples_.clear();
    ended_.clear();
  }

 private:
  Appended Put(SeriesRef ref, ScrapedSample sample) {
    sample.series = store_.Find(ref);
    if (sample.series == nullptr) return Appended::kUnknownSeries;
    samples_.push_back(std::move(sample));
    last_ref_ = ref;
    return Appended::kYes;
  }

  ScrapeStore& store_;
  std::vector<ScrapedSample> samples_;
  std::vector<SeriesRef> ended_;
  SeriesRef last_ref_ = 0;
};

std::unique_ptr<storage::Appender> ScrapeStore::OpenAppender() {
  return std::make_unique<Batch>(*this);
}

size_t ScrapeStore::series_count() const {
  base::MutexLock lock(mutex_);
  return entries_.size();
}

SeriesRef ScrapeStore::RefOf(const model::Labels& labels) {
  base::MutexLock lock(mutex_);
  const auto [place, is_new] = refs_.try_emplace(std::string(labels.bytes()), last_ref_ + 1);
  if (is_new) {
    ++last_ref_;
    entries_[last_ref_].series = std::make_shared<ScrapedSeries>(ScrapedSeries{labels, {}});
  }
  entries_[place->second].used_ms = clock_.WallMs();
  return place->second;
}

std::shared_ptr<const ScrapedSeries> ScrapeStore::Find(SeriesRef ref) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(ref);
  if (found == entries_.end()) return nullptr;
  found->second.used_ms = clock_.WallMs();
  return found->second.series;
}

void ScrapeStore::SetMetadata(SeriesRef ref, const model::Metadata& metadata) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(ref);
  if (found == entries_.end() || found->second.series->metadata == metadata) return;
  // Samples on their way see the change: they lie before the sink.
  found->second.series->metadata = metadata;
}

void ScrapeStore::Forget(const std::vector<SeriesRef>& ended) {
  base::MutexLock lock(mutex_);
  for (const SeriesRef ref : ended) Drop(ref);
  const int64_t now_ms = clock_.WallMs();
  if (now_ms - swept_ms_ < kSweepMs) return;
  swept_ms_ = now_ms;
  std::vector<SeriesRef> old;
  for (const auto& [ref, entry] : entries_) {
    if (now_ms - entry.used_ms > kForgetMs) old.push_back(ref);
  }
  for (const SeriesRef ref : old) Drop(ref);
}

void ScrapeStore::Drop(SeriesRef ref) {
  const auto found = entries_.find(ref);
  if (found == entries_.end()) return;
  refs_.erase(std::string(found->second.series->labels.bytes()));
  entries_.erase(found);
}

}  // namespace narthex::receivers
