#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"
#include "wal/segment.h"

namespace narthex::wal {

enum class Compression { kNone, kSnappy, kZstd };

// Appends records to the segments of one WAL directory. A batch is one append to the file: when
// Log returns success its bytes are with the kernel and outlive the process; when it fails, none of
// the batch will be read back. One thread at a time.
class Writer {
 public:
  struct Options {
    uint64_t segment_bytes = 128 << 20;  // A multiple of kPageBytes.
    Compression compression = Compression::kSnappy;
  };

  // Creates the directory if need be. Writing starts in a new segment behind the existing ones:
  // what an earlier process left is never touched.
  static base::Result<std::unique_ptr<Writer>> Open(base::FileSystem& files, std::string directory,
                                                    Options options);

  // After an error the segment is cut back to its last good end; if that fails too, the next call
  // starts a new segment. Errors: those of the disk, kInvalidArgument for a record that is too
  // large.
  base::Status Log(std::span<const std::string_view> records);
  // The same record by record, for those who need not have all at once: Begin, Add for each, End.
  // Nothing is written before End; an error ends the batch. `raw_bytes`: about how many they have.
  base::Status Begin(uint64_t raw_bytes);
  base::Status Add(std::string_view record);
  base::Status End();
  // Takes back what the last batch wrote. REQUIRES: it succeeded, and nothing was called since but
  // Sync, which may have failed. Error: that of the disk; then it may be read back.
  base::Status Undo();
  // Makes all that was logged durable. After a failed sync writing goes on in a new segment: what
  // the kernel still holds of the old one can no longer be trusted.
  base::Status Sync();
  // The file that Log appends to, for a thread that syncs it while others log: what was logged
  // before that sync began is then durable. Null where the next batch starts a segment.
  std::shared_ptr<base::File> tail() const { return file_; }
  // That sync of `tail` failed: writing goes on in a new segment, as after a failed Sync.
  void Distrust(const std::shared_ptr<base::File>& tail);

  // Goes on in a new segment, so that the ones before it can be replaced by a checkpoint.
  base::Status NextSegment() { return StartSegment(); }

  uint32_t segment() const { return segment_; }
  // Bytes written since Open, and how many the compression saved.
  uint64_t bytes_written() const { return bytes_written_; }
  uint64_t bytes_saved() const { return bytes_saved_; }

 private:
  Writer(base::FileSystem& files, std::string directory, Options options)
      : files_(files), directory_(std::move(directory)), options_(options) {}

  base::Status StartSegment();
  base::Status WriteBatch();
  void EncodeRecord(std::string_view record);
  // Compresses into compressed_ where that is worth its time; the flag to set, 0 for none.
  uint8_t Compress(std::string_view record);
  uint64_t RoomInSegment() const;

  base::FileSystem& files_;
  const std::string directory_;
  const Options options_;
  std::shared_ptr<base::File> file_;      // Null when the next batch has to start a segment.
  std::shared_ptr<base::File> unsynced_;  // The one whose sync failed, until there is another.
  uint32_t segment_ = 0;
  uint32_t next_segment_ = 0;
  uint64_t good_bytes_ = 0;  // Up to here the segment holds whole batches.
  uint64_t undo_bytes_ = 0;  // Without the last batch.
  std::string batch_;        // Encoded, to be written at good_bytes_.
  std::string compressed_;
  unsigned samples_until_trial_ =
      0;  // Sample records to write raw before compression is tried again.
  uint64_t bytes_written_ = 0;
  uint64_t bytes_saved_ = 0;
};

}  // namespace narthex::wal
