// A copy of a database in a directory of its own, while it is in use.

#include "base/time_format.h"
#include "tsdb/db.h"

namespace narthex::tsdb {

using model::Timestamp;

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
