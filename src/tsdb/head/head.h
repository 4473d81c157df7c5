#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "chunk/xor_chunk.h"
#include "model/sample.h"
#include "storage/storage.h"
#include "tsdb/block/tombstones.h"
#include "tsdb/head/epochs.h"
#include "tsdb/head/late_samples.h"
#include "tsdb/head/series_index.h"
#include "tsdb/head/stable_array.h"
#include "wal/records.h"

namespace narthex::tsdb {

// The newest data, in memory: every series with its compressed chunks. Thread-safe; Publish takes
// turns with itself through the caller's commit lock.
class Head {
 public:
  struct Options {
    uint64_t series_max = 0;  // 0 is none.
    uint16_t samples_per_chunk = 120;
    int64_t chunk_range_ms = 2 * 3600 * 1000;  // Chunks do not cross its multiples.
  };
  explicit Head(Options options);
  ~Head();

  // The series with these labels, created if new. Error: kResourceExhausted at the limit.
  base::Result<Slot> Resolve(const model::Labels& labels) EXCLUDES_LOCK(mutex_);
  // Series that Resolve created and that no log record names yet, in order. The next commit logs
  // them, whoever created them, so that no sample ever stands in the log before its series.
  std::vector<Slot> TakeUnlogged() EXCLUDES_LOCK(mutex_);
  void PutBackUnlogged(const std::vector<Slot>& slots) EXCLUDES_LOCK(mutex_);
  // As read from a log that names the series `ref`; new references continue above the largest.
  Slot Restore(const model::Labels& labels, wal::Ref ref);

  wal::Ref RefOf(Slot slot) const { return hot_[slot].ref; }
  model::Labels LabelsOf(Slot slot) const EXCLUDES_LOCK(mutex_);

  // While it is held, slots that it was taken before stay safe to ask about.
  Epochs::Guard Enter() const { return epochs_.Enter(); }

  // Whether a sample may be appended now. REQUIRES: a guard taken before the slot was resolved.
  storage::Appended Judge(Slot slot, model::Timestamp t, double v) const;

  struct Entry {
    Slot slot;
    model::Timestamp t;
    double v;
  };
  // Makes a batch visible at once, with its `late` samples. Entries that Judge refuses are passed
  // over. One thread at a time.
  void Publish(const std::vector<Entry>& batch, const std::vector<Entry>& late = {})
      EXCLUDES_LOCK(mutex_);

  // Samples that Judge refuses as out of order or too old are taken as late ones where they are
  // less than `ms` older than the newest of all; 0: none is.
  void SetLateWindow(int64_t ms) { late_window_ms_ = ms; }
  bool has_late_window() const { return late_window_ms_.load(std::memory_order_relaxed) > 0; }
  bool TakesLate(model::Timestamp t) const;
  // See LateSamples. Both take turns with Publish through the caller's commit lock.
  LateSamples::Cut BeginLateCut(model::Timestamp limit) EXCLUDES_LOCK(mutex_);
  void EndLateCut(const LateSamples::Cut& cut) EXCLUDES_LOCK(mutex_);
  bool has_late_samples() const EXCLUDES_LOCK(mutex_);
  LateSamples::Statistics late_statistics() const EXCLUDES_LOCK(mutex_);

  // A consistent copy of what the matchers select within `range`; shares sealed chunks.
  std::unique_ptr<storage::SeriesSet> Select(const std::vector<model::Matcher>& matchers,
                                             model::TimeRange range) const EXCLUDES_LOCK(mutex_);
  std::vector<std::string> LabelNames(const std::vector<model::Matcher>& matchers) const
      EXCLUDES_LOCK(mutex_);
  std::vector<std::string> LabelValues(std::string_view name,
                                       const std::vector<model::Matcher>& matchers) const
      EXCLUDES_LOCK(mutex_);

  // Samples older than the newest by more are refused from now on; 0: none.
  void SetRetention(int64_t ms) { retention_ms_ = ms; }
  // Refuses samples before `t` from now on: blocks hold that time.
  void RaiseValidTime(model::Timestamp t);
  model::Timestamp valid_time() const { return valid_time_; }

  // Drops finished chunks that end before `mint` and series that have nothing since; so too series
  // that never got a sample, once a whole truncation has passed over them (at once with
  // `empty_too`). Takes turns with Publish through the caller's commit lock. Returns the number of
  // series dropped.
  size_t Truncate(model::Timestamp mint, bool empty_too) EXCLUDES_LOCK(mutex_);
  // The references of all series, ascending: what the log still has to know.
  std::vector<wal::Ref> LiveRefs() const EXCLUDES_LOCK(mutex_);
  // What a deletion hides: samples of a series that are there now. One that comes later is none
  // that was deleted.
  struct Deletion {
    Slot slot;
    model::TimeRange range;
  };
  std::vector<Deletion> DeletionsFor(const std::vector<model::Matcher>& matchers,
                                     model::TimeRange range) const EXCLUDES_LOCK(mutex_);
  // For good.
  void Delete(const std::vector<Deletion>& deletions) EXCLUDES_LOCK(mutex_);

  // One chunk of a series as it is.
  struct ChunkView {
    model::Timestamp min;
    model::Timestamp max;
    uint16_t samples;
    std::string_view bytes;
  };
  // What a block takes out of the head: the series with chunks that begin in a range, in label
  // order. Lives as long as the head; no truncation may happen meanwhile. One thread at a time.
  class BlockSource {
   public:
    size_t size() const { return slots_.size(); }
    std::vector<std::string_view> symbols() const;
    model::Labels labels(size_t i) const { return head_.LabelsOf(slots_[i]); }
    // Replaces `chunks`, none where everything was deleted; the views last until the next call.
    base::Status Chunks(size_t i, std::vector<ChunkView>& chunks);

   private:
    friend class Head;
    BlockSource(const Head& head, model::TimeRange range) : head_(head), range_(range) {}
    const Head& head_;
    const model::TimeRange range_;
    std::vector<Slot> slots_;
    std::deque<std::string> copies_;  // Of open chunks, and of chunks without what was deleted.
  };
  BlockSource SourceFor(model::TimeRange range) const EXCLUDES_LOCK(mutex_);
  // What a block of some series needs besides samples. The symbols are valid as long as the head.
  void SortByLabels(std::vector<Slot>& slots) const EXCLUDES_LOCK(mutex_);
  std::vector<std::string_view> SymbolsOf(const std::vector<Slot>& slots) const
      EXCLUDES_LOCK(mutex_);
  // Null: nothing.
  std::shared_ptr<const Intervals> DeletionsOf(Slot slot) const EXCLUDES_LOCK(mutex_);

  struct Statistics {
    uint64_t series = 0;
    uint64_t chunks = 0;
    uint64_t chunk_bytes = 0;
    uint64_t samples_appended = 0;
    uint64_t late_samples_appended = 0;
    uint64_t series_created = 0;
    uint64_t series_removed = 0;
    uint64_t truncations = 0;
    model::Timestamp min_time = model::kTimestampMax;  // Over min_time > max_time: empty.
    model::Timestamp max_time = model::kTimestampMin;
  };
  Statistics statistics() const;
  // Bytes by purpose, without what the allocator adds. Walks over every series.
  struct Memory {
    uint64_t hot = 0;          // The state of each series.
    uint64_t open_chunks = 0;  // Buffers of growing chunks,
    uint64_t open_used = 0;    // and what is written in them.
    uint64_t sealed = 0;       // Finished chunks, or where they are.
    SeriesIndex::Memory index;
  };
  Memory memory() const EXCLUDES_LOCK(mutex_);
  SeriesIndex::Statistics AnalyzeLabels(size_t limit) const EXCLUDES_LOCK(mutex_);

 private:
  struct SealedChunk;
  // One per series, indexed by slot. Changed under the exclusive lock; `last_time` alone is also
  // read without it, by Judge.
  struct HotSeries {
    chunk::XorChunk open;
    std::atomic<SealedChunk*> sealed{nullptr};  // Newest first.
    wal::Ref ref = 0;
    model::Timestamp open_min = 0;  // Of the open chunk's first sample.
    std::atomic<model::Timestamp> last_time{model::kTimestampMin};
    std::atomic<uint64_t> last_bits{0};
    std::atomic<bool> removed{false};
    bool seen_empty = false;  // By a truncation.
  };
  class Snapshot;

  void Append(HotSeries& series, model::Timestamp t, double v) REQUIRES_LOCK(mutex_);
  void Seal(HotSeries& series) REQUIRES_LOCK(mutex_);
  static void FreeList(SealedChunk* chunk);
  Slot Create(const model::Labels& labels, wal::Ref ref) REQUIRES_LOCK(mutex_);
  void GiveBlocksBack(std::vector<std::move_only_function<void()>>& frees) REQUIRES_LOCK(mutex_);
  std::shared_ptr<const Intervals> DeletedOf(Slot slot) const REQUIRES_SHARED_LOCK(mutex_);

  const Options options_;
  mutable base::Mutex mutex_;
  SeriesIndex index_ GUARDED_BY(mutex_);
  StableArray<HotSeries> hot_;
  mutable Epochs epochs_;
  std::atomic<model::Timestamp> valid_time_{model::kTimestampMin};
  std::atomic<int64_t> retention_ms_{0};
  std::atomic<uint64_t> series_{0};
  std::atomic<uint64_t> series_created_{0};
  std::atomic<uint64_t> series_removed_{0};
  std::atomic<uint64_t> truncations_{0};
  wal::Ref last_ref_ GUARDED_BY(mutex_) = 0;
  std::map<Slot, std::shared_ptr<const Intervals>> deleted_ GUARDED_BY(mutex_);
  LateSamples late_ GUARDED_BY(mutex_);
  std::atomic<int64_t> late_window_ms_{0};
  std::atomic<uint64_t> late_samples_appended_{0};
  Slot first_hot_ GUARDED_BY(mutex_) = 0;  // Slots before it have been given back.
  std::vector<Slot> unlogged_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> chunks_{0};
  std::atomic<uint64_t> chunk_bytes_{0};  // Of sealed chunks.
  std::atomic<uint64_t> samples_appended_{0};
  std::atomic<model::Timestamp> min_time_{model::kTimestampMax};
  std::atomic<model::Timestamp> max_time_{model::kTimestampMin};
};

}  // namespace narthex::tsdb
