#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "base/spares.h"
#include "storage/storage.h"
#include "tsdb/block/block.h"
#include "tsdb/compact/compactor.h"
#include "tsdb/head/batch.h"
#include "tsdb/head/exemplars.h"
#include "tsdb/head/head.h"
#include "tsdb/retention.h"
#include "tsdb/slots_by_ref.h"
#include "wal/reader.h"
#include "wal/writer.h"

namespace narthex::tsdb {

// When the log reaches the disk itself (and not only the kernel, which every commit does).
enum class FsyncPolicy {
  kNone,      // At the end of a segment and at close, as upstream.
  kInterval,  // Every second: a power cut costs at most that.
  kCommit,    // Before a commit returns.
};

// The multiple of `range` at or below `t`.
model::Timestamp FloorTo(model::Timestamp t, int64_t range);

// A Prometheus data directory: the lock, the write-ahead log and the head that it fills. What
// Commit has returned success for, or any query has shown, outlives the process. Thread-safe.
class Db final : public storage::Queryable,
                 public storage::Appendable,
                 public storage::ExemplarQueryable,
                 public storage::MetadataQueryable {
 public:
  struct Options {
    std::string directory;
    Head::Options head;
    wal::Writer::Options wal;
    FsyncPolicy fsync = FsyncPolicy::kInterval;
    bool lock = true;
    // For a look into a directory, also of a running server: nothing is locked, written or removed,
    // and commits fail. It has to be there.
    bool read_only = false;
    // The head is written to a file at the end, so that the next start need not replay the log.
    bool head_image = true;
    size_t replay_threads = 0;  // That append what the log has; 0: one per core, eight at most.
    Retention retention;
    int64_t late_window_ms = 0;     // See SetLateWindow.
    int64_t max_block_ms = 0;       // Longest block; 0: a tenth of the retention, at most 31 days.
    size_t exemplars_max = 0;       // Kept at once; 0: exemplars are not logged either.
    bool metadata_records = false;  // Metadata of series is kept and logged.
    int64_t maintenance_ms = 60'000;  // Between two rounds of Maintain; 0: only when called.
    size_t compaction_threads = 0;    // That write a block; 0: one per core, four at most.
  };

  // Creates the directory, or takes over what is there and replays its log. Errors:
  // kFailedPrecondition while another process has the directory, those of the disk.
  static base::Result<std::unique_ptr<Db>> Open(base::Env env, base::Logger& log, Options options);
  // Syncs the log.
  ~Db() override;

  base::Result<std::unique_ptr<storage::Querier>> OpenQuerier(model::TimeRange range) override;
  std::unique_ptr<storage::Appender> OpenAppender() override;
  base::Result<std::vector<storage::ExemplarSeries>> SelectExemplars(
      std::span<const std::vector<model::Matcher>> selectors,
      model::TimeRange range) const override {
    return exemplars_.Select(selectors, range);
  }
  base::Result<std::vector<storage::SeriesMetadata>> SelectMetadata(
      const std::vector<model::Matcher>& matchers) const override {
    return head_.SelectMetadata(matchers);
  }

  // Hides the samples in `range` of the series that match, for good. Samples that come later are
  // not touched. Errors: those of the log; then nothing is hidden.
  base::Status DeleteSeries(const std::vector<model::Matcher>& matchers, model::TimeRange range)
      EXCLUDES_LOCK(maintenance_mutex_);

  // Removes what deletions only hid, from the blocks: each block that has any is written anew.
  base::Status CleanTombstones() EXCLUDES_LOCK(maintenance_mutex_);
  // A copy of the database under snapshots/: blocks as hard links and, unless `skip_head`, the head
  // as one more block. The new folder's name.
  base::Result<std::string> Snapshot(bool skip_head) EXCLUDES_LOCK(maintenance_mutex_);

  // One round: cuts full stretches of the head into blocks, compacts blocks, drops what is past
  // retention. Called in the background, and by tests.
  base::Status Maintain() EXCLUDES_LOCK(maintenance_mutex_);

  // How much older than the newest sample of all a sample may be that comes out of order; 0: none
  // is taken. Source: Prometheus, storage.tsdb.out_of_order_time_window.
  void SetLateWindow(int64_t ms) { head_.SetLateWindow(ms); }

  // Takes effect with the next round of Maintain.
  void SetRetention(const Retention& retention) EXCLUDES_LOCK(retention_mutex_);
  Retention retention() const EXCLUDES_LOCK(retention_mutex_);

  // Takes effect at once; 0: none are kept.
  void SetExemplarsMax(size_t max) { exemplars_.SetMax(max); }

  const Head& head() const { return head_; }
  const ExemplarRing& exemplars() const { return exemplars_; }
  using Blocks = std::vector<std::shared_ptr<Block>>;
  // By time. What a query holds stays readable, also when a block is replaced meanwhile.
  std::shared_ptr<const Blocks> blocks() const EXCLUDES_LOCK(blocks_mutex_);

  // What a start made of the head image (docs/format/head-image.md).
  enum class ImageUse {
    kAbsent,
    kUsed,
    kStale,    // Something has changed since it was written: the log was replayed.
    kDamaged,  // It cannot be read: the same.
  };
  // Samples refused, by reason.
  struct Refused {
    uint64_t out_of_order = 0;
    uint64_t duplicate = 0;
    uint64_t out_of_bound = 0;  // Before what the head takes, where it takes no late samples.
    uint64_t too_old = 0;       // Before the late ones that it takes.
  };
  struct Statistics {
    ImageUse image = ImageUse::kAbsent;
    Refused numbers_refused;
    Refused histograms_refused;  // Native ones.
    uint64_t commits_failed = 0;
    uint64_t wal_bytes_written = 0;
    uint32_t wal_segment = 0;
    uint64_t replayed_series = 0;  // At open.
    uint64_t replayed_samples = 0;
    uint64_t wal_corruptions = 0;
    uint64_t unknown_refs = 0;    // Samples in the log without a series.
    uint64_t unread_records = 0;  // Of types that are not read.
    int64_t replay_ms = 0;
    uint64_t head_chunks_found = 0;    // At open, in chunks_head/.
    uint64_t head_chunks_damaged = 0;  // Places in its files that could not be read.
    uint64_t head_chunks_healed = 0;   // Lost while running, and made anew from the log.
    uint64_t head_chunk_failures = 0;  // Writes that failed; the log has what was in them.
    uint64_t blocks_damaged = 0;       // At open: left alone, and not read.
    uint64_t compactions = 0;  // Blocks written by maintenance, from the head or from blocks.
    uint64_t compactions_failed = 0;
    uint64_t time_retentions = 0;  // Blocks deleted, by the limit that they were past.
    uint64_t size_retentions = 0;
    uint64_t checkpoints = 0;
    uint64_t checkpoints_failed = 0;
  };
  Statistics statistics() const EXCLUDES_LOCK(commit_mutex_);

 private:
  friend class DbAppender;

  Db(base::Env env, base::Logger& log, Options options);

  friend class DbQuerier;

  base::Status OpenBlocks();
  void DropReplaced(Blocks& blocks);
  base::Status ReadHead();
  // Reads chunks_head/: chunks by the reference of their series, in time order.
  base::Status OpenHeadChunks();
  void AttachHeadChunks(wal::Ref ref, Slot slot);
  // Writes finished chunks to their file once there are enough of them, or any (`all`).
  void FlushHeadChunks(bool all);
  // The checkpoint's, then those behind it.
  base::Result<std::vector<wal::SegmentFile>> LogSegments() const;
  base::Status Replay();
  // db_image.cc
  // Takes over the head image if it is whole and fits everything else. False: the log has to be
  // replayed. Errors: those of the disk in what an image does not replace.
  base::Result<bool> LoadImage();
  base::Status TakeImage(std::string_view bytes);
  base::Status SaveImage() REQUIRES_LOCK(commit_mutex_);
  base::Status WriteImage(const std::string& path) REQUIRES_LOCK(commit_mutex_);
  base::Result<std::string> FilesForImage();
  std::string ImagePath() const;
  void ReportDamage(const wal::Damage& damage);
  // The record that the reader stands at says something impossible.
  void ReportRecord(const wal::Reader& reader, const base::Error& error);
  // Logs and publishes one batch. `judged_at` is the change count when its first entry was judged:
  // where nothing has changed since, the judgements hold; else entries that are refused now are
  // counted and left out.
  base::Status Commit(Batch& batch, Head::LateBatch& late, uint64_t judged_at)
      EXCLUDES_LOCK(commit_mutex_);
  base::Status CommitLocked(Batch& batch, Head::LateBatch& late, uint64_t judged_at)
      EXCLUDES_LOCK(commit_mutex_);
  struct RefusedCounters {
    std::atomic<uint64_t> out_of_order{0};
    std::atomic<uint64_t> duplicate{0};
    std::atomic<uint64_t> out_of_bound{0};
    std::atomic<uint64_t> too_old{0};

    Refused Read() const { return {out_of_order, duplicate, out_of_bound, too_old}; }
  };
  void Count(storage::Appended verdict, model::Timestamp t, RefusedCounters& refused);
  base::Status CheckWritable() const;
  using SlotOf = std::function<std::optional<Slot>(wal::Ref)>;
  // The samples of a record of histograms from a time on.
  base::Status DecodeHistograms(std::string_view record, const SlotOf& slot_of,
                                model::Timestamp from, std::vector<Head::HistogramEntry>& out);
  base::Status ReplayHistograms(std::string_view record, const SlotsByRef& slots);
  base::Status ReplayExemplars(std::string_view record, const SlotsByRef& slots);
  base::Status ReplayMetadata(std::string_view record, const SlotsByRef& slots);
  base::Status SyncLogs() REQUIRES_LOCK(commit_mutex_);
  base::Status TakePassedOver(Head::LateBatch& samples) REQUIRES_LOCK(commit_mutex_);
  // Takes the last batch out of a log again.
  // Logs a batch: the series that it has created, and the records that may name them.
  base::Status LogBatch(const std::vector<Slot>& created, std::span<const std::string_view> records)
      REQUIRES_LOCK(commit_mutex_);
  void TakeBack(wal::Writer& log) REQUIRES_LOCK(commit_mutex_);
  void SyncEverySecond(std::stop_token stop);
  void SyncTails() EXCLUDES_LOCK(commit_mutex_);

  // db_late.cc
  // Whether a sample that was refused is taken as a late one; else `verdict` says why not.
  bool TakesLate(storage::Appended& verdict, model::Timestamp t) const;
  base::Status OpenLateLog() REQUIRES_LOCK(commit_mutex_);
  base::Status LogLate(const Head::LateBatch& late) REQUIRES_LOCK(commit_mutex_);
  base::Status ReplayLate(const SlotOf& slot_of);
  // Moves late samples before `limit` into blocks of their own, and out of their log.
  base::Status CutLate(model::Timestamp limit) REQUIRES_LOCK(maintenance_mutex_);
  // One block of the samples in [mint, maxt); the zero ULID when there is none.
  base::Result<BlockMeta> WriteLateBlock(const std::string& directory, const LateSamples::Cut& cut,
                                         model::Timestamp mint, model::Timestamp maxt)
      REQUIRES_LOCK(maintenance_mutex_);
  base::Status WriteLateBlocks(const std::string& directory, const LateSamples::Cut& cut,
                               const std::function<base::Status(const BlockMeta&)>& on_block)
      REQUIRES_LOCK(maintenance_mutex_);
  base::Status ServeLateBlock(const BlockMeta& meta) REQUIRES_LOCK(maintenance_mutex_);

  // db_maintenance.cc
  void MaintainRegularly(std::stop_token stop);
  base::Status CutHead() REQUIRES_LOCK(maintenance_mutex_);
  // Writes the head's chunks that begin in [mint, maxt) as a block into `directory`; the zero ULID
  // when there is nothing to write. Where chunks are damaged, once more after healing them.
  base::Result<BlockMeta> WriteHeadBlock(const std::string& directory, model::Timestamp mint,
                                         model::Timestamp maxt) REQUIRES_LOCK(maintenance_mutex_);
  base::Result<BlockMeta> TryWriteHeadBlock(const std::string& directory, model::Timestamp mint,
                                            model::Timestamp maxt)
      REQUIRES_LOCK(maintenance_mutex_);
  // db_heal.cc
  // Makes finished chunks of the head anew from the log where their file has lost them.
  base::Status HealHeadChunks(model::TimeRange range) REQUIRES_LOCK(maintenance_mutex_);
  model::Timestamp CutAccordingToBlocks(const Block* without) const;
  // How much of the finished log goes into the checkpoint: two thirds of the segments, as upstream
  // (the rest is likely to be needed again soon), or all.
  enum class CheckpointReach { kOlderSegments, kAllSegments };
  // `going`: a block that is about to be removed; null for none.
  base::Status TruncateHead(model::Timestamp mint, CheckpointReach reach,
                            const Block* going = nullptr) REQUIRES_LOCK(maintenance_mutex_);
  // A block that was just written; where it cannot be opened it goes again. One that is on the disk
  // but not in service would miss deletions, and bring back what they hid at the next start.
  base::Result<std::shared_ptr<Block>> OpenWritten(const BlockMeta& meta)
      REQUIRES_LOCK(maintenance_mutex_);
  base::Status CompactBlockList() REQUIRES_LOCK(maintenance_mutex_);
  CompactOptions OptionsForCompaction() REQUIRES_LOCK(maintenance_mutex_);
  size_t CompactionThreads() const;
  int64_t MaxBlockMs() const;
  void DropExpired() REQUIRES_LOCK(maintenance_mutex_);
  // Takes blocks out of service, puts one in (null: none), then deletes the directories of those.
  // All that a block held has been deleted, and it goes. Blocks tell the next start up to where the
  // log is out of date: where this was the last, the log must not hold it any more either.
  base::Status DropFromLog(const Block& deleted) REQUIRES_LOCK(maintenance_mutex_);
  void ReplaceBlocks(const Blocks& gone, std::shared_ptr<Block> added)
      REQUIRES_LOCK(maintenance_mutex_);
  // Tries again to delete what could not be: every one of them. The first error.
  base::Status RemoveLeftovers() REQUIRES_LOCK(maintenance_mutex_);
  // Whether the block must not be replaced, because a leftover is there.
  bool HasToStay(const Block& block) const REQUIRES_LOCK(maintenance_mutex_);
  // On the disk: both logs with their checkpoint, and finished chunks.
  uint64_t HeadBytes() const;
  bool HeadIsFull() const;
  std::string WalDirectory() const;
  std::string WblDirectory() const;

  const base::Env env_;
  base::Logger& log_;
  const Options options_;
  std::unique_ptr<base::FileLock> lock_;
  Head head_;
  ExemplarRing exemplars_;
  // From OpenHeadChunks to the end of Replay: by reference and time.
  std::vector<std::pair<wal::Ref, SealedChunk>> found_chunks_;
  std::atomic<bool> head_chunks_failing_{false};

  // Orders commits: what is logged first is also published first.
  mutable base::Mutex commit_mutex_;
  std::unique_ptr<wal::Writer> wal_ GUARDED_BY(commit_mutex_);
  std::unique_ptr<wal::Writer> wbl_ GUARDED_BY(commit_mutex_);  // Null until it is needed.
  bool late_log_has_markers_ = false;                           // Written by Open alone.
  base::Spares<std::vector<Head::Entry>> spare_entries_{{.bytes_max = 4 << 20, .count_max = 8}};
  wal::SeriesRecord series_record_ GUARDED_BY(commit_mutex_);
  wal::SamplesRecord samples_record_ GUARDED_BY(commit_mutex_);
  bool unsynced_ GUARDED_BY(commit_mutex_) = false;

  mutable base::Mutex blocks_mutex_;
  std::shared_ptr<const Blocks> blocks_ GUARDED_BY(blocks_mutex_) = std::make_shared<Blocks>();

  mutable base::Mutex retention_mutex_;
  Retention retention_ GUARDED_BY(retention_mutex_);

  base::Mutex maintenance_mutex_;  // One at a time: cutting, compacting, snapshots.
  base::Random random_ GUARDED_BY(maintenance_mutex_);
  // A block that should be gone and whose directory could not be deleted. The one in its place
  // tells the next start that it took its place, and has to stay as long; null: nobody knows which
  // one that is, and all stay.
  struct Leftover {
    std::string directory;
    std::optional<Ulid> successor;
  };
  std::vector<Leftover> leftovers_ GUARDED_BY(maintenance_mutex_);
  std::atomic<uint64_t> compactions_{0};
  std::atomic<uint64_t> compactions_failed_{0};
  std::atomic<uint64_t> time_retentions_{0};
  std::atomic<uint64_t> size_retentions_{0};
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<uint64_t> checkpoints_failed_{0};

  std::atomic<uint64_t> head_chunk_failures_{0};
  std::atomic<uint64_t> head_chunks_healed_{0};
  std::atomic<uint64_t> changes_{0};  // Of the head: commits and truncations.
  RefusedCounters numbers_refused_;
  RefusedCounters histograms_refused_;
  std::atomic<uint64_t> commits_failed_{0};
  Statistics replay_;  // Written by Open alone.
  std::jthread syncer_;
  std::jthread maintainer_;
};

}  // namespace narthex::tsdb
