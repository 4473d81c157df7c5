#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "model/metadata.h"
#include "model/sample.h"
#include "storage/storage.h"
#include "tsdb/block/tombstones.h"
#include "tsdb/head/epochs.h"
#include "tsdb/head/head_chunks.h"
#include "tsdb/head/histogram_series.h"
#include "tsdb/head/late_samples.h"
#include "tsdb/head/sealed_list.h"
#include "tsdb/head/series_index.h"
#include "tsdb/head/slab_pool.h"
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
  // A number.
  struct Entry {
    Slot slot;
    model::Timestamp t;
    double v;
  };

  explicit Head(Options options);
  ~Head();

  // Finished chunks go here from now on; before, they stay in memory. REQUIRES: no series yet.
  void UseChunkFiles(std::unique_ptr<HeadChunks> files) { chunk_files_ = std::move(files); }
  HeadChunks& chunk_files() const { return *chunk_files_; }

  // The series with these labels, created if new. Error: kResourceExhausted at the limit.
  base::Result<Slot> Resolve(const model::Labels& labels) EXCLUDES_LOCK(mutex_);
  // Series that Resolve created and that no log record names yet, in order. The next commit logs
  // them, whoever created them, so that no sample ever stands in the log before its series.
  std::vector<Slot> TakeUnlogged() EXCLUDES_LOCK(mutex_);
  void PutBackUnlogged(const std::vector<Slot>& slots) EXCLUDES_LOCK(mutex_);
  // As read from a log that names the series `ref`; new references continue above the largest.
  Slot Restore(const model::Labels& labels, wal::Ref ref);
  // Chunks of the series that were finished earlier. Each is taken in when Publish comes to its
  // time, and samples that it has are passed over: what is in none of them has to come from the
  // log.
  void Attach(Slot slot, const std::vector<SealedChunk>& chunks) EXCLUDES_LOCK(mutex_);
  // What appending writes to besides the head: one per thread.
  struct Scratch {
    std::string sealing;
    // The chunk range of the newest sample appended, so that few samples need a division.
    model::TimeRange chunk_range = {1, 0};
  };
  // Publish for the samples of a log, of series without histograms. Several threads may, each with
  // series of its own; meanwhile nobody else uses the head, but for Restore and Attach of series
  // that have no samples yet.
  void AppendReplayed(std::span<const Entry> batch, Scratch& scratch);
  // The log has been read. Error: a chunk that cannot be read.
  base::Status FinishRestore() EXCLUDES_LOCK(mutex_);

  // The state as sections of an image. Takes turns with Publish through the caller's commit lock.
  // Errors: those of the disk.
  base::Status SaveImage(ImageWriter& writer) const EXCLUDES_LOCK(mutex_);
  // The state of such an image; what cannot be kept of it is an error. Error: kDataLoss, and then
  // nothing has changed. REQUIRES: no series yet.
  base::Status LoadImage(const ImageFile& file) EXCLUDES_LOCK(mutex_);

  wal::Ref RefOf(Slot slot) const { return hot_[slot].ref; }
  model::Labels LabelsOf(Slot slot) const EXCLUDES_LOCK(mutex_);

  // nullopt for a series that has been dropped. REQUIRES: a guard taken before the slot was
  // resolved.
  std::optional<model::Labels> LabelsIfKnown(Slot slot) const EXCLUDES_LOCK(mutex_);
  bool Knows(Slot slot) const;

  // Of series that it has, what was set last.
  void SetMetadata(Slot slot, const model::Metadata& metadata) EXCLUDES_LOCK(mutex_);
  bool MetadataIs(Slot slot, const model::Metadata& metadata) const EXCLUDES_LOCK(mutex_);
  std::vector<storage::SeriesMetadata> SelectMetadata(
      const std::vector<model::Matcher>& matchers) const EXCLUDES_LOCK(mutex_);

  // While it is held, slots that it was taken before stay safe to ask about.
  Epochs::Guard Enter() const { return epochs_.Enter(); }

  // Whether a sample may be appended now. REQUIRES: a guard taken before the slot was resolved.
  storage::Appended Judge(Slot slot, model::Timestamp t, double v) const;

  // Whether a native histogram may be appended now. The same requirement.
  storage::Appended JudgeHistogram(Slot slot, model::Timestamp t, const chunk::Value& value) const
      EXCLUDES_LOCK(mutex_);
  // What the newest sample of a series is: a stale marker that is sent as a number takes its form.
  enum class Form : uint8_t {
    kNumbers,  // There was never a histogram.
    kNumber,
    kWholeHistogram,
    kFloatHistogram,
    kRemoved,  // The series is gone.
  };
  // REQUIRES: a guard taken before the slot was resolved.
  Form FormOf(Slot slot) const;

  struct HistogramEntry {
    Slot slot;
    model::Timestamp t;
    chunk::Value value;  // Never a number; valid.
  };
  // What of a batch comes behind its first numbers: histograms, then numbers again where a series
  // changes its form within the batch.
  struct BatchPart {
    std::vector<HistogramEntry> histograms;
    std::vector<Entry> numbers;
  };

  // What of a batch is older than the newest of its series.
  struct LateBatch {
    std::vector<Entry> numbers;
    std::vector<HistogramEntry> histograms;

    bool empty() const { return numbers.empty() && histograms.empty(); }
    void Clear() {
      numbers.clear();
      histograms.clear();
    }
  };

  // Makes a batch visible at once, with its `late` samples. Entries that Judge refuses by now, also
  // for what came before them in the batch, go to `passed_over`. One thread at a time.
  void Publish(const std::vector<Entry>& batch, std::span<const BatchPart> more = {},
               const LateBatch& late = {}, LateBatch* passed_over = nullptr) EXCLUDES_LOCK(mutex_);

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

  // A consistent copy of what the matchers select within `range`; finished chunks are read later.
  // With kNewest, the set need not give more of a series than its newest sample in `range`.
  // `threads` copy, the caller's among them.
  enum class Reach { kAll, kNewest };
  std::unique_ptr<storage::SeriesSet> Select(const std::vector<model::Matcher>& matchers,
                                             model::TimeRange range, Reach reach = Reach::kAll,
                                             size_t threads = 1) const EXCLUDES_LOCK(mutex_);
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
    chunk::Encoding encoding = chunk::Encoding::kXor;
  };
  // What a block takes out of the head: the series with chunks that begin in a range, in label
  // order. Lives as long as the head; no truncation may happen meanwhile. Thread-safe.
  class BlockSource {
   public:
    size_t size() const { return slots_.size(); }
    std::vector<std::string_view> symbols() const;
    model::Labels labels(size_t i) const { return head_.LabelsOf(slots_[i]); }
    // The chunks of a series, with what they refer to. One per thread.
    class Chunks {
     public:
      const std::vector<ChunkView>& views() const { return views_; }

     private:
      friend class BlockSource;
      std::vector<ChunkView> views_;
      std::deque<std::string> copies_;
      std::vector<HistogramTable::ChunkPtr> held_;
    };
    // Replaces what is in `chunks`; none where everything was deleted.
    base::Status Read(size_t i, Chunks& chunks) const;

   private:
    friend class Head;
    BlockSource(const Head& head, model::TimeRange range) : head_(head), range_(range) {}
    const Head& head_;
    const model::TimeRange range_;
    std::vector<Slot> slots_;
    HeadChunks::View files_;
  };
  BlockSource SourceFor(model::TimeRange range) const EXCLUDES_LOCK(mutex_);
  // What a block of some series needs besides samples. The symbols are valid as long as the head.
  void SortByLabels(std::vector<Slot>& slots) const EXCLUDES_LOCK(mutex_);
  std::vector<std::string_view> SymbolsOf(const std::vector<Slot>& slots) const
      EXCLUDES_LOCK(mutex_);
  // Null: nothing.
  std::shared_ptr<const Intervals> DeletionsOf(Slot slot) const EXCLUDES_LOCK(mutex_);

  // A finished chunk whose bytes cannot be read any more.
  struct LostChunk {
    Slot slot;
    SealedChunk chunk;
  };
  // Those that begin in `range`; reads them all.
  std::vector<LostChunk> FindLost(model::TimeRange range) const EXCLUDES_LOCK(mutex_);
  // Puts a chunk of these samples in its place, none where there are none. Takes turns with Publish
  // through the caller's commit lock.
  void ReplaceLost(const LostChunk& lost, const model::SampleColumns& samples)
      EXCLUDES_LOCK(mutex_);

  // Moves open chunks together, so that memory that they have grown out of can be used again. Takes
  // the lock for short whiles.
  void Settle() EXCLUDES_LOCK(mutex_);

  struct Statistics {
    uint64_t series = 0;
    uint64_t chunks = 0;
    uint64_t chunk_bytes = 0;               // In files, or on the way there.
    uint64_t samples_appended = 0;          // Numbers.
    uint64_t histograms_appended = 0;       // Native ones.
    uint64_t late_samples_appended = 0;     // Numbers.
    uint64_t late_histograms_appended = 0;  // Native ones.
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
    uint64_t sealed = 0;       // Where finished chunks are, and those that no file has yet.
    uint64_t slack = 0;        // In the pool of both.
    SeriesIndex::Memory index;
  };
  Memory memory() const EXCLUDES_LOCK(mutex_);
  SeriesIndex::Statistics AnalyzeLabels(size_t limit) const EXCLUDES_LOCK(mutex_);

 private:
  // Stands for the value of a histogram where only bits of numbers are compared; no number has it.
  static constexpr uint64_t kHistogramBits = 0x7ff0000000000003;

  // One per series, indexed by slot: 56 bytes. Changed under the exclusive lock; `last_time`,
  // `last_bits` and `form` are also read without it, by Judge.
  struct HotSeries {
    std::atomic<model::Timestamp> last_time{model::kTimestampMin};
    std::atomic<uint64_t> last_bits{0};
    wal::Ref ref = 0;
    // The last open_bits % 64 bits of the open chunk, the first highest; the others are zero.
    uint64_t tail = 0;
    SlabPool::Handle open = SlabPool::kNone;    // The open chunk without its tail.
    SlabPool::Handle sealed = SlabPool::kNone;  // A sealed list.
    uint32_t last_delta = 0;
    uint32_t open_span = 0;  // From the open chunk's first sample to the last.
    uint16_t open_bits = 0;
    uint16_t open_count = 0;
    uint8_t leading = 0xff;
    uint8_t trailing = 0;
    uint8_t flags = kFirstInRange;
    std::atomic<Form> form{Form::kNumbers};  // If any other, new samples go to `histograms_`.

    static constexpr uint8_t kSeenEmpty = 1;     // By a truncation.
    static constexpr uint8_t kWaiting = 4;       // Has chunks in waiting_.
    static constexpr uint8_t kFirstInRange = 2;  // The open chunk is, of its chunk range.

    bool removed() const { return form.load(std::memory_order_relaxed) == Form::kRemoved; }
    bool empty() const { return last_time == model::kTimestampMin; }
    model::Timestamp open_min() const { return last_time - open_span; }
    uint32_t open_bytes() const { return (open_bits + 7u) / 8; }
  };
  static_assert(sizeof(HotSeries) == 56);
  struct Tally;
  struct Image;
  class Snapshot;

  void FillSeries(const Image& image) REQUIRES_LOCK(mutex_);

  void Append(Slot slot, model::Timestamp t, double v, Scratch& scratch) REQUIRES_LOCK(mutex_);
  void PublishNumbers(std::span<const Entry> batch, Tally& tally, Scratch& scratch)
      REQUIRES_LOCK(mutex_);
  // Of a series with histograms, or that gets its first.
  void AppendMixed(Slot slot, model::Timestamp t, const chunk::Value& value, Scratch& scratch)
      REQUIRES_LOCK(mutex_);
  bool MustSeal(Slot slot, const HotSeries& series, model::Timestamp t, Scratch& scratch) const;
  uint32_t FullLength(Slot slot, const HotSeries& series, model::TimeRange chunk_range) const;
  static bool MayEndWord(const HotSeries& series, double next);
  void WriteOpen(HotSeries& series, model::Timestamp t, double v) REQUIRES_LOCK(mutex_);
  void PutOpen(HotSeries& series, uint64_t bits, unsigned count) REQUIRES_LOCK(mutex_);
  void EndWord(HotSeries& series, uint64_t next) REQUIRES_LOCK(mutex_);
  void SetOpenTail(HotSeries& series, std::string_view bytes, uint32_t bits) REQUIRES_LOCK(mutex_);
  char* RoomFor(HotSeries& series, uint32_t kept, uint32_t size) REQUIRES_LOCK(mutex_);
  void Seal(HotSeries& series, Scratch& scratch) REQUIRES_LOCK(mutex_);
  void AttachOne(HotSeries& series, const SealedChunk& chunk, Scratch& scratch)
      REQUIRES_LOCK(mutex_);
  void AttachWaiting(Slot slot, model::Timestamp before, Scratch& scratch) REQUIRES_LOCK(mutex_)
      EXCLUDES_LOCK(waiting_mutex_);
  void CountTimes(model::Timestamp min, model::Timestamp max);
  // Has the processor fetch the chunks of slots[i] that are in memory, if there is such a slot.
  void PrefetchChunks(std::span<const Slot> slots, size_t i) const REQUIRES_SHARED_LOCK(mutex_);
  // Makes the segment of that number out of these. Several at once, while the shared lock is held
  // for all of them.
  void CopySegment(std::span<const Slot> slots, model::TimeRange range, Reach reach,
                   Snapshot& snapshot, size_t number) const;
  // The growing chunk as a whole one.
  void AppendOpen(const HotSeries& series, std::string& out) const REQUIRES_SHARED_LOCK(mutex_);
  // Its bits without what the series knows, and the reverse.
  void AppendOpenBits(const HotSeries& series, std::string& out) const REQUIRES_SHARED_LOCK(mutex_);
  void FillOpenBits(HotSeries& series, std::string_view bytes, uint16_t bits) REQUIRES_LOCK(mutex_);
  std::vector<SealedChunk> SealedOf(const HotSeries& series) const REQUIRES_SHARED_LOCK(mutex_);
  // The time of the first sample. REQUIRES: not empty.
  model::Timestamp FirstTime(Slot slot) const REQUIRES_SHARED_LOCK(mutex_);
  Slot Create(const model::Labels& labels, wal::Ref ref) REQUIRES_LOCK(mutex_);
  void GiveBlocksBack(std::vector<std::move_only_function<void()>>& frees) REQUIRES_LOCK(mutex_);
  std::shared_ptr<const Intervals> DeletedOf(Slot slot) const REQUIRES_SHARED_LOCK(mutex_);

  const Options options_;
  mutable base::Mutex mutex_;
  SeriesIndex index_ GUARDED_BY(mutex_);
  StableArray<HotSeries> hot_;
  HistogramTable histograms_;  // Changed under mutex_.
  SlabPool pool_ GUARDED_BY(mutex_);
  Scratch scratch_ GUARDED_BY(mutex_);
  std::unique_ptr<HeadChunks> chunk_files_ = std::make_unique<HeadChunks>();
  base::Mutex waiting_mutex_;  // Taken behind mutex_.
  // See Attach.
  std::unordered_map<Slot, std::vector<SealedChunk>> waiting_ GUARDED_BY(waiting_mutex_);
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
  std::atomic<uint64_t> late_histograms_appended_{0};
  boost::unordered_flat_map<Slot, model::Metadata> metadata_ GUARDED_BY(mutex_);
  Slot first_hot_ GUARDED_BY(mutex_) = 0;  // Slots before it have been given back.
  std::vector<Slot> unlogged_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> chunks_{0};
  std::atomic<uint64_t> samples_appended_{0};
  std::atomic<uint64_t> histograms_appended_{0};
  std::atomic<model::Timestamp> min_time_{model::kTimestampMax};
  std::atomic<model::Timestamp> max_time_{model::kTimestampMin};
};

}  // namespace narthex::tsdb
