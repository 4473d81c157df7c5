#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "base/mutex.h"
#include "pipeline/component.h"

namespace narthex::pipeline {

// A queue on disk: numbered entries that are appended, read again, and struck off when they are
// done with, in segments that go when nothing in them is left to do. What was appended outlives the
// process and, with `fsync`, the machine. Striking off is not synced: after a crash an entry may
// come again. Thread-safe. Format: docs/format/queue.md.
class QueueLog {
 public:
  struct Options {
    std::string directory;   // Made if need be; nobody else's.
    bool fsync = false;      // Append returns when the disk has it.
    uint64_t bytes_max = 0;  // Of all segments; 0: no limit.
    uint64_t segment_bytes = 16 << 20;
  };
  struct Entry {
    uint64_t id;
    size_t points;
    size_t bytes;
  };

  // Reads what is there. A torn end is cut off, damage is passed over and logged.
  static base::Result<std::unique_ptr<QueueLog>> Open(base::FileSystem& files, Options options,
                                                      base::Logger& logger);
  ~QueueLog();

  // What Open found that is not done with, the oldest first.
  std::vector<Entry> pending() const;
  // Gives the entry's number. Errors: kResourceExhausted when the limit or the disk is reached;
  // those of the file system. Then the log is as it was.
  base::Result<uint64_t> Append(std::string_view bytes, size_t points);
  // Errors: kNotFound; kDataLoss where the disk gives back something else.
  base::Result<std::string> Read(uint64_t id) const;
  void Done(uint64_t id);

  uint64_t byte_size() const;

 private:
  struct Place {
    uint64_t segment;
    uint64_t offset;  // Of the record.
    size_t bytes;     // Of the entry.
    size_t points;
  };
  struct Segment {
    std::unique_ptr<base::File> file;
    uint64_t size = 0;
    size_t open_entries = 0;  // Not done with.
  };

  QueueLog(base::FileSystem& files, Options options, base::Logger& logger)
      : files_(files), options_(std::move(options)), logger_(logger) {}

  base::Status Load() REQUIRES_LOCK(mutex_);
  base::Status LoadSegment(uint64_t number, bool is_last) REQUIRES_LOCK(mutex_);
  void TakeRecord(std::string_view payload, uint64_t segment, uint64_t offset)
      REQUIRES_LOCK(mutex_);
  base::Status AppendRecord(std::string_view payload) REQUIRES_LOCK(mutex_);
  base::Status StartSegment(uint64_t number) REQUIRES_LOCK(mutex_);
  void Strike(uint64_t id) REQUIRES_LOCK(mutex_);
  void RemoveDone() REQUIRES_LOCK(mutex_);
  std::string PathOf(uint64_t number) const;

  base::FileSystem& files_;
  const Options options_;
  base::Logger& logger_;
  mutable base::Mutex mutex_;
  std::map<uint64_t, Segment> segments_ GUARDED_BY(mutex_);
  std::map<uint64_t, Place> places_ GUARDED_BY(mutex_);
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
};

// An extension that keeps queues on disk. Thread-safe.
class StorageExtension : public Extension {
 public:
  // `client`: the id of the component whose queue it is. REQUIRES: started.
  virtual base::Result<std::unique_ptr<QueueLog>> OpenQueue(const std::string& client) = 0;
};

}  // namespace narthex::pipeline
