// Which blocks a database has: merging them, rewriting those with deletions, and letting the
// replaced ones go.

#include <algorithm>
#include <utility>

#include "tsdb/compact/planner.h"
#include "tsdb/db.h"

namespace narthex::tsdb {

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
    const base::Status removed = RemoveLeftovers();
    const auto live = blocks();
    Blocks all;
    for (const auto& block : *live) {
      // In a merged block, late samples would pass for the head's, of which some are not cut yet.
      const bool too_early = block->is_late() && block->meta().max_time > head_.valid_time();
      if (!too_early && !HasToStay(*block)) all.push_back(block);
    }
    std::vector<BlockMeta> metas;
    for (const auto& block : all) metas.push_back(block->meta());
    const std::vector<size_t> plan = PlanCompaction(metas, ranges);
    if (plan.empty()) return removed;
    Blocks gone;
    std::vector<std::shared_ptr<const Block>> inputs;
    for (const size_t i : plan) {
      gone.push_back(all[i]);
      inputs.push_back(all[i]);
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
  if (!block && !DeleteBlock(env_.files, path)) leftovers_.push_back({path, std::nullopt});
  return block;
}

base::Status Db::CleanTombstones() {
  base::MutexLock lock(maintenance_mutex_);
  std::ignore = RemoveLeftovers();
  const auto all = blocks();
  for (const auto& block : *all) {
    if (block->tombstones()->empty() || HasToStay(*block)) continue;
    ASSIGN_OR_RETURN(const auto written,
                     tsdb::CleanTombstones(env_.files, block, OptionsForCompaction()));
    std::shared_ptr<Block> added;
    if (!written) RETURN_IF_ERROR(DropFromLog(*block));
    if (written) {
      ASSIGN_OR_RETURN(added, OpenWritten(*written));
    }
    ReplaceBlocks({block}, std::move(added));
  }
  // What was to be cleaned lies on the disk still.
  return RemoveLeftovers();
}

base::Status Db::DropFromLog(const Block& deleted) {
  if (deleted.meta().max_time < head_.valid_time()) return {};
  return TruncateHead(head_.valid_time(), CheckpointReach::kAllSegments, &deleted);
}

void Db::ReplaceBlocks(const Blocks& gone, std::shared_ptr<Block> added) {
  // Where all had been deleted there is none, and the deletions stay with the old block.
  const Ulid successor = added != nullptr ? added->meta().ulid : Ulid();
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
      leftovers_.push_back({block->directory(), successor});
    }
  }
}

base::Status Db::RemoveLeftovers() {
  base::Status first;
  std::erase_if(leftovers_, [&](const Leftover& leftover) {
    const std::string& directory = leftover.directory;
    base::Status removed;
    if (const base::Result<bool> exists = env_.files.Exists(directory); !exists) {
      removed = std::unexpected(exists.error());
    } else {
      removed = *exists ? DeleteBlock(env_.files, directory)
                        : base::RemoveAll(env_.files, directory + std::string(kDeletionSuffix));
    }
    if (!removed && first) first = removed;
    return removed.has_value();
  });
  return first;
}

bool Db::HasToStay(const Block& block) const {
  return std::ranges::any_of(leftovers_, [&](const Leftover& leftover) {
    return !leftover.successor || *leftover.successor == block.meta().ulid;
  });
}

}  // namespace narthex::tsdb
