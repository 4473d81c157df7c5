#include "tsdb/head/head.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace narthex::tsdb {

using model::Labels;
using model::Timestamp;
using storage::Appended;

Head::Head(Options options)
    : options_(options),
      histograms_({.samples = options.samples_per_chunk, .range_ms = options.chunk_range_ms}) {}

Head::~Head() = default;

Slot Head::Create(const Labels& labels, wal::Ref ref) {
  const uint32_t index = hot_.Grow();
  hot_[index].ref = ref;
  const Slot slot = index_.Add(labels);
  CHECK(slot == index);
  ++series_;
  ++series_created_;
  return slot;
}

base::Result<Slot> Head::Resolve(const Labels& labels) {
  {
    base::SharedLock lock(mutex_);
    if (const auto slot = index_.Find(labels)) return *slot;
  }
  base::MutexLock lock(mutex_);
  // Somebody may have been faster between the two locks.
  if (const auto slot = index_.Find(labels)) return *slot;
  if (options_.series_max != 0 && index_.size() >= options_.series_max) {
    return base::Fail(base::Code::kResourceExhausted, "the limit of {} series is reached",
                      options_.series_max);
  }
  const Slot slot = Create(labels, ++last_ref_);
  unlogged_.push_back(slot);
  return slot;
}

std::vector<Slot> Head::TakeUnlogged() {
  base::MutexLock lock(mutex_);
  return std::exchange(unlogged_, {});
}

void Head::PutBackUnlogged(const std::vector<Slot>& slots) {
  base::MutexLock lock(mutex_);
  unlogged_.insert(unlogged_.begin(), slots.begin(), slots.end());
}

Labels Head::LabelsOf(Slot slot) const {
  base::SharedLock lock(mutex_);
  return index_.LabelsOf(slot);
}

bool Head::Knows(Slot slot) const {
  const HotSeries* const series = hot_.Find(slot);
  return series != nullptr && !series->removed();
}

std::optional<Labels> Head::LabelsIfKnown(Slot slot) const {
  base::SharedLock lock(mutex_);
  if (!Knows(slot)) return std::nullopt;
  return index_.LabelsOf(slot);
}

void Head::SetMetadata(Slot slot, const model::Metadata& metadata) {
  base::MutexLock lock(mutex_);
  if (Knows(slot)) metadata_[slot] = metadata;
}

bool Head::MetadataIs(Slot slot, const model::Metadata& metadata) const {
  base::SharedLock lock(mutex_);
  const auto found = metadata_.find(slot);
  return found != metadata_.end() && found->second == metadata;
}

Appended Head::Judge(Slot slot, Timestamp t, double v) const {
  const HotSeries* const found = hot_.Find(slot);
  if (found == nullptr || found->removed()) {
    return Appended::kUnknownSeries;
  }
  const HotSeries& series = *found;
  // The series of a target follow one another, in memory as in its scrape.
  __builtin_prefetch(found + 16);
  if (t < valid_time_.load(std::memory_order_relaxed)) return Appended::kTooOld;
  const Timestamp last = series.last_time.load(std::memory_order_relaxed);
  if (t > last) [[likely]] {
    const Timestamp newest = max_time_.load(std::memory_order_relaxed);
    const int64_t retention = retention_ms_.load(std::memory_order_relaxed);
    if (retention != 0 && newest != model::kTimestampMin && t < newest - retention) {
      return Appended::kTooOld;
    }
    return Appended::kYes;
  }
  if (t < last) return Appended::kOutOfOrder;
  return series.last_bits.load(std::memory_order_relaxed) == std::bit_cast<uint64_t>(v)
             ? Appended::kSameAgain
             : Appended::kDuplicate;
}

bool Head::TakesLate(Timestamp t) const {
  const int64_t window = late_window_ms_.load(std::memory_order_relaxed);
  const Timestamp newest = max_time_.load(std::memory_order_relaxed);
  return window > 0 && newest != model::kTimestampMin && t >= newest - window;
}

LateSamples::Cut Head::BeginLateCut(Timestamp limit) {
  base::MutexLock lock(mutex_);
  return late_.Begin(limit);
}

void Head::EndLateCut(const LateSamples::Cut& cut) {
  base::MutexLock lock(mutex_);
  late_.End(cut);
}

bool Head::has_late_samples() const {
  base::SharedLock lock(mutex_);
  return !late_.empty();
}

LateSamples::Statistics Head::late_statistics() const {
  base::SharedLock lock(mutex_);
  return late_.statistics();
}

void Head::SortByLabels(std::vector<Slot>& slots) const {
  base::SharedLock lock(mutex_);
  index_.SortByLabels(slots);
}

std::vector<std::string_view> Head::SymbolsOf(const std::vector<Slot>& slots) const {
  base::SharedLock lock(mutex_);
  return index_.SymbolsOf(slots);
}

std::shared_ptr<const Intervals> Head::DeletionsOf(Slot slot) const {
  base::SharedLock lock(mutex_);
  return DeletedOf(slot);
}

Appended Head::JudgeHistogram(Slot slot, Timestamp t, const chunk::Value& value) const {
  const Appended verdict = Judge(slot, t, std::bit_cast<double>(kHistogramBits));
  if (verdict != Appended::kSameAgain && verdict != Appended::kDuplicate) return verdict;
  base::SharedLock lock(mutex_);
  const bool same = hot_[slot].last_time == t && histograms_.EndsWith(slot, value);
  return same ? Appended::kSameAgain : Appended::kDuplicate;
}

Head::Form Head::FormOf(Slot slot) const {
  const HotSeries* const series = hot_.Find(slot);
  return series == nullptr ? Form::kNumbers : series->form.load(std::memory_order_relaxed);
}

std::vector<SealedChunk> Head::SealedOf(const HotSeries& series) const {
  return DecodeSealed(SealedBytes(pool_, series.sealed));
}

Timestamp Head::FirstTime(Slot slot) const {
  const HotSeries& series = hot_[slot];
  if (series.sealed != SlabPool::kNone) return SealedOf(series).front().range.min;
  if (series.open_count > 0) return series.open_min();
  return histograms_.FirstTime(slot);
}

std::shared_ptr<const Intervals> Head::DeletedOf(Slot slot) const {
  const auto found = deleted_.find(slot);
  return found == deleted_.end() ? nullptr : found->second;
}

Head::Statistics Head::statistics() const {
  Statistics result;
  result.series = series_;
  result.series_created = series_created_;
  result.series_removed = series_removed_;
  result.truncations = truncations_;
  result.chunks = chunks_ + histograms_.chunks();
  result.chunk_bytes = chunk_files_->bytes() + histograms_.chunk_bytes();
  result.samples_appended = samples_appended_;
  result.late_samples_appended = late_samples_appended_;
  result.late_histograms_appended = late_histograms_appended_;
  result.histograms_appended = histograms_appended_;
  result.min_time = min_time_;
  result.max_time = max_time_;
  return result;
}

void Head::Settle() {
  constexpr Slot kAtOnce = 4096;
  for (Slot begin = 0; begin < hot_.size(); begin += kAtOnce) {
    base::MutexLock lock(mutex_);
    const Slot end = std::min<Slot>(hot_.size(), begin + kAtOnce);
    for (Slot slot = std::max(begin, first_hot_); slot < end; ++slot) {
      HotSeries& series = hot_[slot];
      series.open = pool_.Settle(series.open);
      series.sealed = pool_.Settle(series.sealed);
    }
  }
}

Head::Memory Head::memory() const {
  base::SharedLock lock(mutex_);
  Memory result;
  result.hot = uint64_t{hot_.size() - first_hot_} * sizeof(HotSeries);
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    const HotSeries& series = hot_[slot];
    if (series.open != SlabPool::kNone) result.open_chunks += pool_.Capacity(series.open);
    if (series.sealed != SlabPool::kNone) result.sealed += pool_.Capacity(series.sealed);
    result.open_used += series.open_bytes();
  }
  result.slack = pool_.bytes() - result.open_chunks - result.sealed;
  result.sealed += chunk_files_->pending_bytes();
  result.index = index_.memory();
  return result;
}

SeriesIndex::Statistics Head::AnalyzeLabels(size_t limit) const {
  base::SharedLock lock(mutex_);
  return index_.Analyze(limit);
}

}  // namespace narthex::tsdb
