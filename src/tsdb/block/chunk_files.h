#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "chunk/xor_chunk.h"
#include "tsdb/buffered_file.h"
#include "tsdb/index/format.h"

namespace narthex::tsdb {

// The chunks of one block, in segment files. docs/format/block.md.
// Source: Prometheus, tsdb/docs/format/chunks.md.
inline constexpr uint32_t kChunkFileMagic = 0x85BD40DD;
inline constexpr uint8_t kChunkFileVersion = 1;
inline constexpr size_t kChunkFileHeaderBytes = 8;
inline constexpr uint64_t kChunkSegmentBytes = 512 << 20;

// A chunk as it lies in a file. A view.
struct RawChunk {
  chunk::Encoding encoding = chunk::Encoding::kNone;
  std::string_view bytes;
};

// Writes chunks one behind the other. One thread at a time. After an error the files are of no use.
class ChunkWriter {
 public:
  // `directory` exists and is empty. No segment grows over `segment_bytes` unless one chunk does.
  ChunkWriter(base::FileSystem& files, std::string directory, uint64_t segment_bytes);

  // Appends a chunk as a segment has it: length, encoding, bytes and checksum.
  static void Frame(RawChunk chunk, std::string& out);
  // Where it is. Error: kResourceExhausted for a chunk that no segment can address.
  base::Result<uint64_t> AppendFramed(std::string_view frame);
  // Makes everything durable.
  base::Status Finish();

  uint64_t bytes() const { return finished_bytes_ + (file_ ? file_->offset() : 0); }

 private:
  base::Status StartSegment();

  base::FileSystem& files_;
  const std::string directory_;
  const uint64_t segment_bytes_;
  std::optional<BufferedFile> file_;
  uint32_t segments_ = 0;
  uint64_t finished_bytes_ = 0;
};

// Reads chunks, checksums included. Immutable, thread-safe.
class ChunkFiles {
 public:
  // Errors: kDataLoss for a file without the header of one, those of the disk.
  static base::Result<std::unique_ptr<ChunkFiles>> Open(base::FileSystem& files,
                                                        const std::string& directory);

  // Calls `visit` with each chunk in turn; neighbours on disk are read at once. An error of `visit`
  // ends it. Error: kDataLoss for a reference that leads nowhere and for damage.
  using Visitor = std::function<base::Status(size_t index, RawChunk chunk)>;
  base::Status Read(std::span<const ChunkMeta> chunks, const Visitor& visit) const;

  uint64_t bytes() const { return bytes_; }

 private:
  struct Segment {
    std::string path;
    std::unique_ptr<base::File> file;
    uint64_t bytes = 0;
  };

  // The chunk at `offset`, out of `window`, or else out of `storage`, which it fills.
  base::Result<RawChunk> Parse(const Segment& segment, uint64_t offset, std::string_view window,
                               std::string& storage) const;

  std::vector<Segment> segments_;
  uint64_t bytes_ = 0;
};

}  // namespace narthex::tsdb
