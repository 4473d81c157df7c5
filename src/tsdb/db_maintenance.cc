// What a database does in the background: cutting the head into blocks, and checkpoints of the log.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/time_format.h"
#include "tsdb/block/block_writer.h"
#include "tsdb/compact/planner.h"
#include "tsdb/db.h"
#include "tsdb/ordered_work.h"
#include "wal/checkpoint.h"

namespace narthex::tsdb {

using model::Timestamp;

Timestamp FloorTo(Timestamp t, int64_t range) {
  const int64_t rest = t % range;
  return t - (rest < 0 ? rest + range : rest);
}

void Db::MaintainRegularly(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  const std::chrono::milliseconds period(options_.maintenance_ms);
  while (!wake.wait_for(lock, stop, period, [] { return false; }) && !stop.stop_requested()) {
    if (const base::Status done = Maintain(); !done) {
      log_.Error("tsdb", "maintenance failed and is tried again later",
                 {{"err", done.error().message}});
    }
  }
}

base::Status Db::Maintain() {
  base::MutexLock lock(maintenance_mutex_);
  FlushHeadChunks(true);
  head_.Settle();
  base::Status cut = CutHead();
  if (!cut) ++compactions_failed_;
  base::Status compacted = CompactBlockList();
  if (!compacted) ++compactions_failed_;
  DropExpired();
  return !cut ? std::move(cut) : std::move(compacted);
}

bool Db::HeadIsFull() const {
  const Head::Statistics head = head_.statistics();
  // Half a range stays behind, for those who write a little late.
  return head.min_time <= head.max_time &&
         head.max_time - head.min_time > options_.head.chunk_range_ms / 2 * 3;
}

base::Status Db::CutHead() {
  const int64_t range = options_.head.chunk_range_ms;
  while (HeadIsFull()) {
    const Timestamp mint = FloorTo(head_.statistics().min_time, range);
    const Timestamp maxt = mint + range;
    {
      // From here on nobody writes before maxt; those who did have finished.
      base::MutexLock commit(commit_mutex_);
      head_.RaiseValidTime(maxt);
      ++changes_;
    }
    // Before the head forgets deletions, which hide late samples too.
    RETURN_IF_ERROR(CutLate(maxt));
    ASSIGN_OR_RETURN(const BlockMeta meta, WriteHeadBlock(options_.directory, mint, maxt));
    if (meta.ulid != Ulid()) {
      ASSIGN_OR_RETURN(std::shared_ptr<Block> block, OpenWritten(meta));
      ReplaceBlocks({}, std::move(block));
      ++compactions_;
      log_.Info("tsdb", "cut a block from the head",
                {{"block", meta.ulid.ToString()},
                 {"min_time", mint},
                 {"max_time", maxt},
                 {"series", meta.stats.series},
                 {"samples", meta.stats.samples}});
    }
    // Without a block nothing tells the next start that this stretch is done with.
    RETURN_IF_ERROR(TruncateHead(maxt, meta.ulid != Ulid() ? CheckpointReach::kOlderSegments
                                                           : CheckpointReach::kAllSegments));
  }
  return {};
}

base::Result<BlockMeta> Db::WriteHeadBlock(const std::string& directory, Timestamp mint,
                                           Timestamp maxt) {
  auto written = TryWriteHeadBlock(directory, mint, maxt);
  if (written || written.error().code != base::Code::kDataLoss) return written;
  RETURN_IF_ERROR(HealHeadChunks({mint, maxt - 1}));
  return TryWriteHeadBlock(directory, mint, maxt);
}

namespace {

base::Result<BlockWriter::Prepared> PrepareFromHead(const Head::BlockSource& source, size_t begin,
                                                    size_t count, const BlockWriter& writer) {
  BlockWriter::Prepared prepared;
  Head::BlockSource::Chunks chunks;
  std::vector<EncodedChunk> encoded;
  for (size_t i = begin; i < std::min(begin + count, source.size()); ++i) {
    RETURN_IF_ERROR(source.Read(i, chunks));
    if (chunks.views().empty()) continue;
    encoded.clear();
    for (const Head::ChunkView& view : chunks.views()) {
      encoded.push_back({view.encoding, view.min, view.max, view.samples, view.bytes});
    }
    RETURN_IF_ERROR(writer.Prepare(source.labels(i), encoded, prepared));
  }
  return prepared;
}

}  // namespace

size_t Db::CompactionThreads() const {
  constexpr size_t kThreadsMax = 4;
  if (options_.compaction_threads != 0) return options_.compaction_threads;
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
}

base::Result<BlockMeta> Db::TryWriteHeadBlock(const std::string& directory, Timestamp mint,
                                              Timestamp maxt) {
  Head::BlockSource source = head_.SourceFor({mint, maxt - 1});
  if (source.size() == 0) return BlockMeta();
  BlockWriter::Options options;
  options.ulid = Ulid::New(env_.clock.WallMs(), random_);
  options.threads = CompactionThreads();
  ASSIGN_OR_RETURN(const std::unique_ptr<BlockWriter> writer,
                   BlockWriter::Create(env_.files, directory, options, source.symbols()));
  // Many series at a time would only take more memory.
  constexpr size_t kSeriesAtOnce = 128;
  size_t next = 0;
  RETURN_IF_ERROR(RunOrdered(
      options.threads,
      [&]() -> base::Result<std::optional<size_t>> {
        if (next >= source.size()) return std::nullopt;
        return std::exchange(next, next + kSeriesAtOnce);
      },
      [&](size_t begin) { return PrepareFromHead(source, begin, kSeriesAtOnce, *writer); },
      [&](const BlockWriter::Prepared& series) { return writer->Append(series); }));
  if (writer->stats().series == 0) return BlockMeta();
  BlockMeta meta;
  meta.min_time = mint;
  meta.max_time = maxt;
  return writer->Finish(std::move(meta));
}

// The next start takes what is newer than this for the head's. It may be further back than where
// the head begins: a stretch of which nothing was left has no block. Then files of finished chunks
// can still have its samples, and only the log knows that they were deleted.
Timestamp Db::CutAccordingToBlocks(const Block* without) const {
  Timestamp cut = model::kTimestampMin;
  for (const auto& block : *blocks()) {
    if (!block->is_late() && block.get() != without) cut = std::max(cut, block->meta().max_time);
  }
  return cut;
}

base::Status Db::TruncateHead(Timestamp mint, CheckpointReach reach, const Block* going) {
  std::vector<wal::Ref> live;
  {
    base::MutexLock commit(commit_mutex_);
    head_.Truncate(mint, false);
    ++changes_;
    live = head_.LiveRefs();
    RETURN_IF_ERROR(wal_->NextSegment());
  }
  RETURN_IF_ERROR(head_.chunk_files().Truncate(mint));
  const std::string directory = WalDirectory();
  ASSIGN_OR_RETURN(const std::vector<wal::SegmentFile> segments,
                   wal::ListSegments(env_.files, directory));
  if (segments.size() < 2) return {};
  const uint32_t first = segments.front().index;
  const uint32_t last_finished = segments[segments.size() - 2].index;
  uint32_t last = last_finished;
  if (reach == CheckpointReach::kOlderSegments) {
    last = first + (last_finished - first) * 2 / 3;
    if (last <= first) return {};
  }
  const wal::CheckpointPlan plan{
      .last_segment = last,
      .keep_series = [&live](wal::Ref ref) { return std::ranges::binary_search(live, ref); },
      .mint = mint,
      .deletions_mint = std::min(mint, CutAccordingToBlocks(going))};
  const auto written = wal::WriteCheckpoint(
      env_.files, directory, plan, options_.wal, [this](const wal::Damage& damage) {
        log_.Warn("tsdb", "passed over a damaged place in the log",
                  {{"file", damage.path}, {"offset", damage.offset}});
      });
  if (!written) {
    ++checkpoints_failed_;
    return std::unexpected(base::Error(written.error()).In("checkpoint"));
  }
  ++checkpoints_;
  return wal::RemoveReplaced(env_.files, directory);
}

}  // namespace narthex::tsdb
