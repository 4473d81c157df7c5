#include "tsdb/db.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>

namespace narthex::tsdb {

using model::Matcher;
using model::TimeRange;

Db::Db(base::Env env, base::Logger& log, Options options)
    : env_(env),
      log_(log),
      options_(std::move(options)),
      head_(options_.head),
      exemplars_(options_.exemplars_max),
      random_(base::RandomSeed()) {
  SetRetention(options_.retention);
  SetLateWindow(options_.late_window_ms);
}

base::Result<std::unique_ptr<Db>> Db::Open(base::Env env, base::Logger& log, Options options) {
  std::unique_ptr<Db> db(new Db(env, log, std::move(options)));
  const std::string& directory = db->options_.directory;
  if (db->options_.read_only) {
    RETURN_IF_ERROR(db->OpenBlocks());
    RETURN_IF_ERROR(db->ReadHead());
    return db;
  }
  RETURN_IF_ERROR(env.files.CreateDirectories(directory));
  if (db->options_.lock) {
    ASSIGN_OR_RETURN(db->lock_, env.files.Lock(base::JoinPath(directory, "lock")));
  }
  RETURN_IF_ERROR(db->OpenBlocks());
  RETURN_IF_ERROR(db->ReadHead());
  {
    base::MutexLock lock(db->commit_mutex_);
    ASSIGN_OR_RETURN(db->wal_, wal::Writer::Open(env.files, db->WalDirectory(), db->options_.wal));
    if (db->head_.has_late_samples()) RETURN_IF_ERROR(db->OpenLateLog());
  }
  if (db->late_log_has_markers_) {
    // A marker says that samples are in a mapped chunk, which a kill can have kept from the disk.
    // Upstream goes by the number of the last chunk file, and we go on writing such files: so the
    // log is written anew, without markers.
    base::MutexLock lock(db->maintenance_mutex_);
    RETURN_IF_ERROR(db->CutLate(model::kTimestampMin));
  }
  if (db->options_.fsync == FsyncPolicy::kInterval) {
    db->syncer_ =
        std::jthread([raw = db.get()](std::stop_token stop) { raw->SyncEverySecond(stop); });
  }
  if (db->options_.maintenance_ms > 0) {
    db->maintainer_ =
        std::jthread([raw = db.get()](std::stop_token stop) { raw->MaintainRegularly(stop); });
  }
  return db;
}

Db::~Db() {
  maintainer_ = std::jthread();  // Stops and joins.
  syncer_ = std::jthread();
  if (!options_.read_only) FlushHeadChunks(true);
  base::MutexLock lock(commit_mutex_);
  if (wal_ == nullptr) return;
  bool durable = true;
  for (wal::Writer* const log : {wal_.get(), wbl_.get()}) {
    if (log == nullptr) continue;
    if (const base::Status synced = log->Sync(); !synced) {
      durable = false;
      log_.Error("tsdb", "the log could not be synced at close", {{"err", synced.error().message}});
    }
  }
  if (!durable || !options_.head_image) return;
  if (const base::Status saved = SaveImage(); !saved) {
    log_.Warn("tsdb", "no head image was written; the next start replays the log",
              {{"cause", saved.error().message}});
  }
}

base::Status Db::CheckWritable() const {
  if (!options_.read_only) return {};
  return base::Fail(base::Code::kFailedPrecondition, "the directory is open for reading only");
}

std::string Db::WalDirectory() const { return base::JoinPath(options_.directory, "wal"); }

std::string Db::WblDirectory() const { return base::JoinPath(options_.directory, "wbl"); }

std::shared_ptr<const Db::Blocks> Db::blocks() const {
  base::MutexLock lock(blocks_mutex_);
  return blocks_;
}

base::Status Db::OpenBlocks() {
  if (!options_.read_only) {
    RETURN_IF_ERROR(RemoveTemporaryBlocks(env_.files, options_.directory));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> directories,
                   ListBlocks(env_.files, options_.directory));
  auto blocks = std::make_shared<Blocks>();
  for (const std::string& directory : directories) {
    base::Result<std::shared_ptr<Block>> block = Block::Open(env_.files, directory);
    if (!block) {
      // The others are no worse for it: start, say so, and leave it as it is.
      ++replay_.blocks_damaged;
      log_.Error("tsdb", "a block cannot be read and is left out of every answer",
                 {{"block", directory}, {"err", block.error().message}});
      continue;
    }
    for (const std::string& doubt : (*block)->doubts()) {
      log_.Warn("tsdb", "the parts of a block do not agree; it is read all the same",
                {{"block", directory}, {"why", doubt}});
    }
    blocks->push_back(*std::move(block));
  }
  DropReplaced(*blocks);
  std::ranges::sort(*blocks, {}, [](const auto& block) { return block->meta().min_time; });
  for (const auto& block : *blocks) {
    // A block of late samples says nothing about how far the head has been cut.
    if (!block->is_late()) head_.RaiseValidTime(block->meta().max_time);
  }
  base::MutexLock lock(blocks_mutex_);
  blocks_ = std::move(blocks);
  return {};
}

// A crash between writing a block and deleting what it replaces leaves both.
void Db::DropReplaced(Blocks& blocks) {
  std::set<Ulid> replaced;
  for (const auto& block : blocks) {
    const BlockMeta meta = block->meta();
    for (const BlockParent& parent : meta.compaction.parents) replaced.insert(parent.ulid);
    if (meta.compaction.deletable) replaced.insert(meta.ulid);
  }
  std::erase_if(blocks, [&](const auto& block) {
    if (!replaced.contains(block->meta().ulid)) return false;
    if (options_.read_only) return true;
    log_.Info("tsdb", "deleting a block that another has replaced",
              {{"block", block->directory()}});
    if (const base::Status deleted = DeleteBlock(env_.files, block->directory()); !deleted) {
      log_.Error("tsdb", "a replaced block could not be removed",
                 {{"block", block->directory()}, {"err", deleted.error().message}});
    }
    return true;
  });
}

void Db::FlushHeadChunks(bool all) {
  constexpr uint64_t kEnoughBytes = 1 << 20;
  const uint64_t pending = head_.chunk_files().pending_bytes();
  // A full disk stays so for a while: only Maintain tries it again.
  const bool worthwhile = pending > kEnoughBytes && !head_chunks_failing_;
  if (pending == 0 || (!all && !worthwhile)) return;
  const base::Status flushed = head_.chunk_files().Flush();
  if (!flushed) {
    ++head_chunk_failures_;
    if (!head_chunks_failing_.exchange(true)) {
      log_.Error("tsdb", "finished chunks stay in memory: writing them failed",
                 {{"err", flushed.error().message}});
    }
  } else {
    head_chunks_failing_ = false;
  }
}

base::Status Db::DeleteSeries(const std::vector<Matcher>& matchers, TimeRange range) {
  RETURN_IF_ERROR(CheckWritable());
  base::MutexLock maintenance(maintenance_mutex_);
  for (const auto& block : *blocks()) {
    const BlockMeta meta = block->meta();
    if (meta.min_time > range.max || meta.max_time <= range.min) continue;
    RETURN_IF_ERROR(block->AddTombstones(matchers, range));
  }
  base::MutexLock lock(commit_mutex_);
  const std::vector<Head::Deletion> deletions = head_.DeletionsFor(matchers, range);
  if (deletions.empty()) return {};
  wal::TombstonesRecord record;
  for (const Head::Deletion& deletion : deletions) {
    record.Add({head_.RefOf(deletion.slot), deletion.range});
  }
  // The record may name series that no record before it does.
  const std::vector<Slot> created = head_.TakeUnlogged();
  base::Status logged = LogBatch(created, {{record.bytes()}});
  if (logged && options_.fsync == FsyncPolicy::kCommit) {
    logged = wal_->Sync();
    if (!logged) TakeBack(*wal_);
  }
  if (!logged) {
    head_.PutBackUnlogged(created);
    return logged;
  }
  unsynced_ = true;
  head_.Delete(deletions);
  return {};
}

void Db::SyncEverySecond(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; }) &&
         !stop.stop_requested()) {
    SyncTails();
  }
}

// A slow disk must not stop who appends meanwhile: so the files are synced outside the lock.
void Db::SyncTails() {
  std::shared_ptr<base::File> samples, late;
  {
    base::MutexLock commit(commit_mutex_);
    if (!unsynced_) return;
    unsynced_ = false;
    samples = wal_->tail();
    if (wbl_ != nullptr) late = wbl_->tail();
  }
  const auto sync = [this](const std::shared_ptr<base::File>& tail) {
    const base::Status synced = tail != nullptr ? tail->Sync() : base::Status();
    if (!synced) {
      log_.Error("tsdb", "syncing the log failed; writing goes on in a new segment",
                 {{"err", synced.error().message}});
    }
    return synced.has_value();
  };
  const bool samples_synced = sync(samples), late_synced = sync(late);
  if (samples_synced && late_synced) return;
  base::MutexLock commit(commit_mutex_);
  if (!samples_synced) wal_->Distrust(samples);
  if (!late_synced) wbl_->Distrust(late);
}

Db::Statistics Db::statistics() const {
  Statistics result = replay_;
  result.numbers_refused = numbers_refused_.Read();
  result.histograms_refused = histograms_refused_.Read();
  result.commits_failed = commits_failed_;
  result.head_chunk_failures = head_chunk_failures_;
  result.head_chunks_healed = head_chunks_healed_;
  result.compactions = compactions_;
  result.compactions_failed = compactions_failed_;
  result.time_retentions = time_retentions_;
  result.size_retentions = size_retentions_;
  result.checkpoints = checkpoints_;
  result.checkpoints_failed = checkpoints_failed_;
  base::MutexLock lock(commit_mutex_);
  if (wal_ == nullptr) return result;
  result.wal_bytes_written = wal_->bytes_written();
  result.wal_segment = wal_->segment();
  return result;
}

}  // namespace narthex::tsdb
