// What leaves the head: old chunks, series that have ended, and what a deletion hides.

#include <algorithm>
#include <utility>

#include "tsdb/head/head.h"

namespace narthex::tsdb {

using model::Matcher;
using model::TimeRange;
using model::Timestamp;

std::vector<Head::Deletion> Head::DeletionsFor(const std::vector<Matcher>& matchers,
                                               TimeRange range) const {
  base::SharedLock lock(mutex_);
  std::vector<Deletion> deletions;
  for (const Slot slot : index_.Select(matchers)) {
    const Timestamp newest = std::max(hot_[slot].last_time.load(), late_.RangeOf(slot).max);
    if (newest >= range.min) deletions.push_back({slot, {range.min, std::min(range.max, newest)}});
  }
  return deletions;
}

void Head::Delete(const std::vector<Deletion>& deletions) {
  base::MutexLock lock(mutex_);
  for (const auto& [slot, range] : deletions) {
    const auto before = DeletedOf(slot);
    Intervals intervals = before != nullptr ? *before : Intervals();
    intervals.Add(range);
    deleted_[slot] = std::make_shared<const Intervals>(std::move(intervals));
  }
}

void Head::RaiseValidTime(Timestamp t) {
  if (t > valid_time_) valid_time_ = t;
}

size_t Head::Truncate(Timestamp mint, bool empty_too) {
  std::vector<std::move_only_function<void()>> frees;
  size_t dropped = 0;
  Timestamp oldest = model::kTimestampMax;  // Of what stays.
  {
    base::MutexLock lock(mutex_);
    RaiseValidTime(mint);
    std::vector<Slot> gone;
    for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
      HotSeries& series = hot_[slot];
      if (series.removed()) continue;
      if (series.form != Form::kNumbers) histograms_.Truncate(slot, mint);
      if (series.sealed != SlabPool::kNone) {
        std::vector<SealedChunk> chunks = SealedOf(series);
        const size_t old = std::erase_if(
            chunks, [mint](const SealedChunk& chunk) { return chunk.range.max < mint; });
        if (old > 0) {
          chunks_ -= old;
          pool_.Free(series.sealed);
          series.sealed = EncodeSealed(pool_, chunks);
        }
      }
      const bool empty = series.empty();
      const bool ended = !empty && series.last_time < mint;
      const bool seen = (series.flags & HotSeries::kSeenEmpty) != 0;
      const bool never_used = empty && (empty_too || seen);
      if (empty) series.flags |= HotSeries::kSeenEmpty;
      const Timestamp first = empty ? model::kTimestampMax : FirstTime(slot);
      if ((!ended && !never_used) || late_.Has(slot)) {
        oldest = std::min(oldest, first);
        continue;
      }
      if (series.form != Form::kNumbers) histograms_.Remove(slot);
      if (series.open_count > 0) --chunks_;
      series.form = Form::kRemoved;
      gone.push_back(slot);
      deleted_.erase(slot);
      metadata_.erase(slot);
      // Readers copy open chunks under the lock, so that this one can go at once.
      pool_.Free(series.open);
      series.open = SlabPool::kNone;
      series.open_count = 0;
      series.open_bits = 0;
    }
    // A series that no record names yet must not be logged after it is gone.
    std::erase_if(unlogged_, [this](Slot slot) { return hot_[slot].removed(); });
    index_.Remove(gone);
    dropped = gone.size();
    series_ -= dropped;
    series_removed_ += dropped;
    for (auto& [slot, intervals] : deleted_) {
      if (late_.Has(slot)) continue;  // Older ones can hide late samples.
      Intervals kept;
      for (const TimeRange& range : intervals->ranges()) {
        if (range.max >= mint) kept.Add(range);
      }
      intervals = std::make_shared<const Intervals>(std::move(kept));
    }
    std::erase_if(deleted_, [](const auto& item) { return item.second->empty(); });
    GiveBlocksBack(frees);
    // Not just `mint`: where nothing was written for long, the next cut is far from this one.
    if (min_time_ < mint) min_time_ = std::max(mint, std::min(oldest, max_time_.load()));
    ++truncations_;
  }
  epochs_.Retire(std::move(frees));
  return dropped;
}

void Head::GiveBlocksBack(std::vector<std::move_only_function<void()>>& frees) {
  constexpr uint32_t kBlock = decltype(hot_)::kPerBlock;
  while (first_hot_ + kBlock <= hot_.size()) {
    for (Slot slot = first_hot_; slot < first_hot_ + kBlock; ++slot) {
      if (!hot_[slot].removed()) return;
    }
    frees.emplace_back([block = hot_.TakeBlock(first_hot_)] {});
    first_hot_ += kBlock;
  }
}

std::vector<wal::Ref> Head::LiveRefs() const {
  base::SharedLock lock(mutex_);
  std::vector<wal::Ref> refs;
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    if (!hot_[slot].removed()) refs.push_back(hot_[slot].ref);
  }
  std::ranges::sort(refs);
  return refs;
}

}  // namespace narthex::tsdb
