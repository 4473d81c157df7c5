// How much of a database stays: blocks past its limits of time and size go.

#include "tsdb/db.h"

namespace narthex::tsdb {
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

}  // namespace narthex::tsdb
