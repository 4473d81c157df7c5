#include "wal/writer.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/fault_points.h"
#include "compress/compress.h"
#include "wal/records.h"
#include "wal/sample_snappy.h"

namespace narthex::wal {

base::Result<std::unique_ptr<Writer>> Writer::Open(base::FileSystem& files, std::string directory,
                                                   Options options) {
  CHECK(options.segment_bytes >= kPageBytes && options.segment_bytes % kPageBytes == 0);
  RETURN_IF_ERROR(files.CreateDirectories(directory));
  ASSIGN_OR_RETURN(const std::vector<SegmentFile> segments, ListSegments(files, directory));
  ASSIGN_OR_RETURN(const std::optional<Checkpoint> checkpoint, FindCheckpoint(files, directory));
  uint32_t next = segments.empty() ? 0 : segments.back().index + 1;
  if (checkpoint) next = std::max(next, checkpoint->index + 1);
  std::unique_ptr<Writer> writer(new Writer(files, std::move(directory), options));
  writer->next_segment_ = next;
  RETURN_IF_ERROR(writer->StartSegment());
  return writer;
}

base::Status Writer::StartSegment() {
  RETURN_IF_ERROR(Sync());
  file_ = nullptr;
  // A number is used once, also when its file came to nothing.
  const uint32_t index = next_segment_++;
  ASSIGN_OR_RETURN(std::unique_ptr<base::File> file,
                   files_.Open(base::JoinPath(directory_, SegmentName(index)),
                               base::FileSystem::Mode::kCreateNew));
  NARTHEX_FAULT_POINT("wal.after_segment_create");
  // The name has to be durable before what is in the file can be.
  RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  file_ = std::move(file);
  unsynced_ = nullptr;
  segment_ = index;
  good_bytes_ = 0;
  return {};
}

uint64_t Writer::RoomInSegment() const {
  const uint64_t used = good_bytes_ + batch_.size();
  if (used >= options_.segment_bytes) return 0;
  const uint64_t in_page = kPageBytes - used % kPageBytes;
  const uint64_t whole_pages = (options_.segment_bytes - used - in_page) / kPageBytes;
  const uint64_t first = in_page > kFragmentHeaderBytes ? in_page - kFragmentHeaderBytes : 0;
  return first + whole_pages * (kPageBytes - kFragmentHeaderBytes);
}

uint8_t Writer::Compress(std::string_view record) {
  if (options_.compression == Compression::kNone || record.empty()) return 0;
  const bool samples = record[0] == static_cast<char>(RecordType::kSamples);
  const bool snappy = options_.compression == Compression::kSnappy;
  if (!snappy && samples && samples_until_trial_ > 0) {
    --samples_until_trial_;
    return 0;
  }
  if (!snappy) {
    compressed_ = compress::ZstdEncode(record);
  } else if (samples) {
    CompressSamples(record, compressed_);
  } else {
    compressed_ = compress::SnappyEncode(record);
  }
  // Most values are noise to a compressor, and zstd then costs as much as all the rest of an
  // append. One sample record in so many shows whether it is so, and settles it for those that
  // follow.
  constexpr unsigned kTrialEvery = 64;
  constexpr double kWorthwhile = 1.3;
  const double ratio = static_cast<double>(record.size()) / static_cast<double>(compressed_.size());
  if (!snappy && samples && ratio < kWorthwhile) samples_until_trial_ = kTrialEvery - 1;
  if (compressed_.size() >= record.size()) return 0;
  bytes_saved_ += record.size() - compressed_.size();
  return snappy ? kSnappyFlag : kZstdFlag;
}

void Writer::EncodeRecord(std::string_view record) {
  const uint8_t flags = Compress(record);
  if (flags != 0) record = compressed_;
  for (bool first = true; first || !record.empty(); first = false) {
    size_t in_page = kPageBytes - (good_bytes_ + batch_.size()) % kPageBytes;
    if (in_page < kFragmentHeaderBytes + 1) {
      batch_.append(in_page, '\0');
      in_page = kPageBytes;
    }
    const std::string_view part =
        record.substr(0, std::min(record.size(), in_page - kFragmentHeaderBytes));
    record.remove_prefix(part.size());
    FragmentType type = FragmentType::kMiddle;
    if (first && record.empty()) {
      type = FragmentType::kFull;
    } else if (first) {
      type = FragmentType::kFirst;
    } else if (record.empty()) {
      type = FragmentType::kLast;
    }
    batch_ += static_cast<char>(static_cast<uint8_t>(type) | flags);
    base::PutBigEndian(batch_, static_cast<uint16_t>(part.size()));
    base::PutBigEndian(batch_, base::Crc32c(part));
    batch_ += part;
  }
}

base::Status Writer::Log(std::span<const std::string_view> records) {
  if (file_ == nullptr) RETURN_IF_ERROR(StartSegment());
  // Compression never makes a record larger, so that the raw size is a safe estimate of the room.
  uint64_t raw = 0;
  for (const std::string_view record : records) {
    if (record.size() > kRecordBytesMax) {
      return base::Fail(base::Code::kInvalidArgument, "wal: record of {} bytes is over the limit",
                        record.size());
    }
    raw += record.size() + kFragmentHeaderBytes;
  }
  // The whole batch goes into one segment where it can, so that one append decides its fate.
  if (raw > RoomInSegment() && good_bytes_ > 0) RETURN_IF_ERROR(StartSegment());
  for (const std::string_view record : records) EncodeRecord(record);
  base::Status written = WriteBatch();
  Reuse(batch_);
  Reuse(compressed_);
  return written;
}

base::Status Writer::WriteBatch() {
  NARTHEX_FAULT_POINT("wal.before_append");
  if (base::Status written = file_->Append(batch_); !written) {
    // Cut off what did arrive. Where even that fails the segment is left behind: its torn end is
    // skipped on reading, as a crash would have left it.
    if (!file_->Truncate(good_bytes_)) file_ = nullptr;
    return std::unexpected(std::move(written).error().In("wal"));
  }
  NARTHEX_FAULT_POINT("wal.after_append");
  undo_bytes_ = good_bytes_;
  good_bytes_ += batch_.size();
  bytes_written_ += batch_.size();
  return {};
}

base::Status Writer::Undo() {
  base::File* const file = file_ != nullptr ? file_.get() : unsynced_.get();
  CHECK(file != nullptr);
  if (base::Status cut = file->Truncate(undo_bytes_); !cut) {
    file_ = nullptr;
    return std::unexpected(std::move(cut).error().In("wal"));
  }
  good_bytes_ = undo_bytes_;
  return {};
}

base::Status Writer::Sync() {
  if (file_ == nullptr) return {};
  if (base::Status synced = file_->Sync(); !synced) {
    Distrust(file_);
    return std::unexpected(std::move(synced).error().In("wal"));
  }
  return {};
}

void Writer::Distrust(const std::shared_ptr<base::File>& tail) {
  if (tail == file_) unsynced_ = std::move(file_);
}

}  // namespace narthex::wal
