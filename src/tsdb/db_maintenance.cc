// What a database does in the background: cutting the head into blocks, checkpoints of the log,
// retention, and copies.

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

base::Status Db::TruncateHead(Timestamp mint, CheckpointReach reach) {
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
      .mint = mint};
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

int64_t Db::MaxBlockMs() const {
  if (options_.max_block_ms != 0) return options_.max_block_ms;
  // Source: Prometheus, storage.tsdb.max-block-duration: a tenth of the retention, 31 days at most.
  constexpr int64_t kMonth = int64_t{31} * 24 * 3600 * 1000;
  const int64_t time_ms = retention().time_ms;
  return time_ms == 0 ? kMonth : std::clamp(time_ms / 10, options_.head.chunk_range_ms, kMonth);
}

CompactOptions Db::OptionsForCompaction() {
  CompactOptions options;
  options.data_directory = options_.directory;
  options.ulid = Ulid::New(env_.clock.WallMs(), random_);
  options.samples_per_chunk = options_.head.samples_per_chunk;
  options.threads = CompactionThreads();
  options.stop = maintainer_.get_stop_token();
  return options;
}

base::Status Db::CompactBlockList() {
  const std::vector<int64_t> ranges = BlockRanges(options_.head.chunk_range_ms, MaxBlockMs());
  for (;;) {
    RETURN_IF_ERROR(RemoveLeftovers());
    auto all = std::make_shared<Blocks>(*blocks());
    // In a merged block, late samples would pass for the head's, of which some are not cut yet.
    std::erase_if(*all, [this](const auto& block) {
      return block->is_late() && block->meta().max_time > head_.valid_time();
    });
    std::vector<BlockMeta> metas;
    for (const auto& block : *all) metas.push_back(block->meta());
    const std::vector<size_t> plan = PlanCompaction(metas, ranges);
    if (plan.empty()) return {};
    Blocks gone;
    std::vector<std::shared_ptr<const Block>> inputs;
    for (const size_t i : plan) {
      gone.push_back((*all)[i]);
      inputs.push_back((*all)[i]);
    }
    // At equal times the first wins: a late sample never changes what was there before.
    std::ranges::stable_partition(inputs, [](const auto& block) { return !block->is_late(); });
    const CompactOptions options = OptionsForCompaction();
    const auto written = plan.size() == 1
                             ? tsdb::CleanTombstones(env_.files, inputs.front(), options)
                             : tsdb::CompactBlocks(env_.files, inputs, options);
    if (!written) {
      const base::Code code = written.error().code;
      // Full disks pass; damage and chunks that cannot be taken apart stay, and must not keep the
      // blocks behind them waiting.
      if (code == base::Code::kDataLoss || code == base::Code::kUnimplemented) {
        for (const auto& block : gone) RETURN_IF_ERROR(block->MarkCompactionFailed());
      }
      return std::unexpected(base::Error(written.error()).In("compaction"));
    }
    std::shared_ptr<Block> added;
    if (!*written) RETURN_IF_ERROR(DropFromLog(*gone.back()));
    if (*written) {
      ASSIGN_OR_RETURN(added, OpenWritten(**written));
      log_.Info("tsdb", "compacted blocks",
                {{"block", (*written)->ulid.ToString()},
                 {"blocks", plan.size()},
                 {"level", (*written)->compaction.level},
                 {"samples", (*written)->stats.samples}});
    }
    ++compactions_;
    ReplaceBlocks(gone, std::move(added));
  }
}

base::Result<std::shared_ptr<Block>> Db::OpenWritten(const BlockMeta& meta) {
  const std::string path = base::JoinPath(options_.directory, meta.ulid.ToString());
  auto block = Block::Open(env_.files, path);
  if (!block && !DeleteBlock(env_.files, path)) leftovers_.push_back(path);
  return block;
}

base::Status Db::CleanTombstones() {
  base::MutexLock lock(maintenance_mutex_);
  const auto all = blocks();
  for (const auto& block : *all) {
    RETURN_IF_ERROR(RemoveLeftovers());
    if (block->tombstones()->empty()) continue;
    ASSIGN_OR_RETURN(const auto written,
                     tsdb::CleanTombstones(env_.files, block, OptionsForCompaction()));
    std::shared_ptr<Block> added;
    if (!written) RETURN_IF_ERROR(DropFromLog(*block));
    if (written) {
      ASSIGN_OR_RETURN(added, OpenWritten(*written));
    }
    ReplaceBlocks({block}, std::move(added));
  }
  return {};
}

base::Status Db::DropFromLog(const Block& deleted) {
  if (deleted.meta().max_time < head_.valid_time()) return {};
  return TruncateHead(head_.valid_time(), CheckpointReach::kAllSegments);
}

void Db::ReplaceBlocks(const Blocks& gone, std::shared_ptr<Block> added) {
  auto next = std::make_shared<Blocks>(*blocks());
  std::erase_if(*next,
                [&](const auto& block) { return std::ranges::find(gone, block) != gone.end(); });
  if (added != nullptr) next->push_back(std::move(added));
  std::ranges::sort(*next, {}, [](const auto& block) { return block->meta().min_time; });
  {
    base::MutexLock lock(blocks_mutex_);
    blocks_ = std::move(next);
  }
  for (const auto& block : gone) {
    if (const base::Status deleted = DeleteBlock(env_.files, block->directory()); !deleted) {
      log_.Error("tsdb", "a replaced block could not be removed",
                 {{"block", block->directory()}, {"err", deleted.error().message}});
      leftovers_.push_back(block->directory());
    }
  }
}

base::Status Db::RemoveLeftovers() {
  for (; !leftovers_.empty(); leftovers_.pop_back()) {
    const std::string& directory = leftovers_.back();
    ASSIGN_OR_RETURN(const bool exists, env_.files.Exists(directory));
    RETURN_IF_ERROR(exists ? DeleteBlock(env_.files, directory)
                           : base::RemoveAll(env_.files, directory + std::string(kDeletionSuffix)));
  }
  return {};
}

namespace {

// Of the files in a directory and, one level down, of those in its directories.
uint64_t BytesBelow(base::FileSystem& files, const std::string& directory, bool deeper = true) {
  uint64_t bytes = 0;
  const auto entries = files.List(directory);
  if (!entries) return 0;  // Not there yet.
  for (const base::DirectoryEntry& entry : *entries) {
    bytes += entry.size;
    if (entry.is_directory && deeper) {
      bytes += BytesBelow(files, base::JoinPath(directory, entry.name), false);
    }
  }
  return bytes;
}

}  // namespace

uint64_t Db::HeadBytes() const {
  uint64_t bytes = 0;
  for (const char* const directory : {"wal", "wbl", "chunks_head"}) {
    bytes += BytesBelow(env_.files, base::JoinPath(options_.directory, directory));
  }
  return bytes;
}

void Db::SetRetention(const Retention& retention) {
  base::MutexLock lock(retention_mutex_);
  retention_ = retention;
  head_.SetRetention(retention.time_ms);
}

Retention Db::retention() const {
  base::MutexLock lock(retention_mutex_);
  return retention_;
}

void Db::DropExpired() {
  const auto all = blocks();
  if (all->empty()) return;
  std::vector<StoredBlock> stored;
  for (const auto& block : *all) stored.push_back({block->meta().max_time, block->bytes()});
  const Retention limits = retention();
  uint64_t disk_bytes = 0;
  if (limits.percentage > 0) {
    if (const auto space = env_.files.Space(options_.directory)) {
      disk_bytes = space->total;
    } else {
      log_.Error("tsdb", "the size of the disk is unknown; nothing is dropped for it",
                 {{"err", space.error().message}});
      return;
    }
  }
  const Expired expired = FindExpired(stored, HeadBytes(), disk_bytes, limits);
  Blocks gone;
  for (const auto* list : {&expired.by_time, &expired.by_size}) {
    for (const size_t i : *list) gone.push_back((*all)[i]);
  }
  if (gone.empty()) return;
  for (const auto& block : gone) {
    log_.Info("tsdb", "deleting a block past its retention", {{"block", block->directory()}});
  }
  ReplaceBlocks(gone, nullptr);
  time_retentions_ += expired.by_time.size();
  size_retentions_ += expired.by_size.size();
}

base::Result<std::string> Db::Snapshot(bool skip_head) {
  base::MutexLock lock(maintenance_mutex_);
  std::string name = base::FormatRfc3339(env_.clock.WallMs());
  std::erase_if(name, [](char c) { return c == '-' || c == ':' || c == '.'; });
  name = fmt::format("{}-{:016x}", name, random_.Next());
  const std::string target = base::JoinPath(base::JoinPath(options_.directory, "snapshots"), name);
  RETURN_IF_ERROR(env_.files.CreateDirectories(target));
  for (const auto& block : *blocks()) {
    const std::string& from = block->directory();
    const std::string to = base::JoinPath(target, block->meta().ulid.ToString());
    const std::string chunks = base::JoinPath(to, "chunks");
    RETURN_IF_ERROR(env_.files.CreateDirectories(chunks));
    ASSIGN_OR_RETURN(const auto segments, env_.files.List(base::JoinPath(from, "chunks")));
    for (const base::DirectoryEntry& segment : segments) {
      RETURN_IF_ERROR(env_.files.Link(base::JoinPath(base::JoinPath(from, "chunks"), segment.name),
                                      base::JoinPath(chunks, segment.name)));
    }
    RETURN_IF_ERROR(env_.files.Link(base::JoinPath(from, "index"), base::JoinPath(to, "index")));
    // These two are rewritten in place of the old ones, so that a copy of now is what is wanted.
    for (const char* const file : {"meta.json", "tombstones"}) {
      ASSIGN_OR_RETURN(const bool exists, env_.files.Exists(base::JoinPath(from, file)));
      if (!exists) continue;
      ASSIGN_OR_RETURN(const std::string bytes,
                       base::ReadFile(env_.files, base::JoinPath(from, file)));
      RETURN_IF_ERROR(base::WriteFileAtomically(env_.files, base::JoinPath(to, file), bytes));
    }
  }
  if (!skip_head) {
    const Head::Statistics head = head_.statistics();
    if (head.min_time <= head.max_time) {
      // Chunks are taken whole, so that the block may hold a little more than the moment's head.
      const Timestamp mint = head.min_time;
      RETURN_IF_ERROR(WriteHeadBlock(target, mint, head.max_time + 1));
    }
    LateSamples::Cut late;
    {
      base::MutexLock commit(commit_mutex_);
      late = head_.BeginLateCut(model::kTimestampMax);  // Never ended: it only seals.
    }
    RETURN_IF_ERROR(WriteLateBlocks(target, late, [](const BlockMeta&) { return base::Status(); }));
  }
  return name;
}

}  // namespace narthex::tsdb
