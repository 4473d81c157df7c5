#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/result.h"
#include "model/sample.h"
#include "tsdb/head/head_chunk_format.h"

namespace narthex::tsdb {

struct HeadChunkFiles;

// Finished chunks of the head in files, so that they need no memory. Upstream's `chunks_head`
// (docs/format/head-chunks.md). The log has every sample that is in them: a file that is lost or
// damaged costs time at the next start, no data. Thread-safe.
class HeadChunks {
 public:
  // Where a chunk is: file number and offset, as upstream counts them. 0 is none.
  using Location = uint64_t;

  using Chunk = HeadChunk;
  struct Damage {
    std::string path;
    uint64_t offset;
    std::string cause;
    bool torn_tail;  // An unfinished write at the end of the newest file: a crash, no damage.
  };
  struct Callbacks {
    // Each chunk that checks out, in the order of writing; the bytes last for the call.
    std::function<void(const Chunk&, Location)> on_chunk;
    std::function<void(const Damage&)> on_damage;
  };

  // Without a disk: chunks stay in memory.
  HeadChunks();
  ~HeadChunks();
  // Reads what is there. An unfinished end of the newest file is cut off, unless `read_only`; then
  // nothing is ever written. Errors: those of the disk.
  static base::Result<std::unique_ptr<HeadChunks>> Open(base::FileSystem& files,
                                                        std::string directory, bool read_only,
                                                        const Callbacks& callbacks);

  // A file that need not be read: what is in it is known.
  struct KnownFile {
    uint32_t number;
    model::Timestamp max_time;
  };
  // Opens these instead of reading what is there. Errors: those of the disk.
  static base::Result<std::unique_ptr<HeadChunks>> OpenKnown(base::FileSystem& files,
                                                             std::string directory, bool read_only,
                                                             std::span<const KnownFile> known);
  // All files, made durable, in order. Errors: those of the disk; kFailedPrecondition while
  // something waits or once a damaged chunk has been met.
  base::Result<std::vector<KnownFile>> SyncForImage() EXCLUDES_LOCK(flush_mutex_, mutex_);

  // Takes a copy, readable at once and written by the next Flush.
  Location Write(const Chunk& chunk) EXCLUDES_LOCK(mutex_);
  // Bytes that wait for Flush.
  uint64_t pending_bytes() const { return pending_.load(std::memory_order_relaxed); }
  // Writes what waits. On an error it stays in memory, readable, for the next try.
  base::Status Flush() EXCLUDES_LOCK(flush_mutex_, mutex_);

  // The files as they are now: what is in them stays readable for as long as this is held. Few
  // reads of a file ask the disk each for itself; for more it is mapped. Thread-safe.
  class View {
   public:
    // The bytes of a chunk, in `scratch`; what becomes of the file meanwhile does not touch them.
    // Error: kDataLoss with file and offset, and those of the disk.
    base::Result<std::string_view> Read(Location location, std::string& scratch) const;
    base::Result<std::string> Read(Location location) const;
    // Has the processor fetch a chunk that will be read soon; does nothing where it is not mapped.
    void Prefetch(Location location) const;

   private:
    friend class HeadChunks;
    struct Mapping;
    std::shared_ptr<std::map<uint32_t, Mapping>> files_;  // By number.
    base::FileSystem* disk_ = nullptr;                    // Null: nothing can be mapped.
  };
  View view() const EXCLUDES_LOCK(mutex_);

  // Drops files from the oldest on, as far as all their chunks end before `mint`. What comes goes
  // into a new file. Errors: those of the disk; what could not be removed stays for the next time.
  base::Status Truncate(model::Timestamp mint) EXCLUDES_LOCK(flush_mutex_, mutex_);

  uint64_t bytes() const EXCLUDES_LOCK(mutex_);  // Of all files.
  uint64_t chunks_written() const { return chunks_written_; }

 private:
  struct File;
  friend struct HeadChunkFiles;
  HeadChunks(base::FileSystem* disk, bool read_only, std::string directory, uint32_t next);

  void AddFile(std::shared_ptr<File> file) REQUIRES_LOCK(mutex_);

  base::FileSystem* const disk_;   // nullptr: memory only.
  base::FileSystem* const files_;  // To write to; nullptr: nothing is written.
  const std::string directory_;
  mutable base::Mutex mutex_;
  base::Mutex flush_mutex_;  // Taken first.
  std::shared_ptr<const HeadChunkFiles> current_ GUARDED_BY(mutex_);
  std::shared_ptr<File> newest_ GUARDED_BY(mutex_);  // Written to; null before the first chunk.
  uint32_t next_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> pending_{0};
  std::atomic<uint64_t> chunks_written_{0};
};

}  // namespace narthex::tsdb
