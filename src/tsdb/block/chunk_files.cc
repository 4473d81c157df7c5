#include "tsdb/block/chunk_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace narthex::tsdb {

using base::Code;
using base::Fail;

namespace {

constexpr size_t kChecksumBytes = 4;
// The length of a chunk and its encoding.
constexpr size_t kChunkHeaderBytesMax = 5 + 1;
// One read covers neighbours up to this distance, and this much of the last one, whose size only
// its own header tells.
constexpr uint64_t kReadAheadBytes = 256 << 10;
constexpr uint64_t kLastChunkBytes = 1 << 10;

uint64_t OffsetOf(uint64_t ref) { return ref & std::numeric_limits<uint32_t>::max(); }
uint64_t SegmentOf(uint64_t ref) { return ref >> 32; }

bool IsSegmentName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

ChunkWriter::ChunkWriter(base::FileSystem& files, std::string directory, uint64_t segment_bytes)
    : files_(files),
      directory_(std::move(directory)),
      segment_bytes_(std::min<uint64_t>(segment_bytes, std::numeric_limits<uint32_t>::max())) {}

base::Status ChunkWriter::StartSegment() {
  RETURN_IF_ERROR(Finish());
  const std::string name = fmt::format("{:06}", segments_ + 1);
  ASSIGN_OR_RETURN(file_, BufferedFile::Create(files_, base::JoinPath(directory_, name)));
  ++segments_;
  std::string header;
  base::PutBigEndian(header, kChunkFileMagic);
  header += static_cast<char>(kChunkFileVersion);
  header.resize(kChunkFileHeaderBytes, '\0');
  return file_->Append(header);
}

void ChunkWriter::Frame(RawChunk chunk, std::string& out) {
  base::PutUvarint(out, chunk.bytes.size());
  const size_t checked = out.size();
  out += static_cast<char>(chunk.encoding);
  out += chunk.bytes;
  base::PutBigEndian(out, base::Crc32c(std::string_view(out).substr(checked)));
}

base::Result<uint64_t> ChunkWriter::AppendFramed(std::string_view frame) {
  const bool fits = file_ && file_->offset() + frame.size() <= segment_bytes_;
  if (!fits && (!file_ || file_->offset() > kChunkFileHeaderBytes)) {
    RETURN_IF_ERROR(StartSegment());
  }
  const uint64_t offset = file_->offset();
  if (offset + frame.size() > std::numeric_limits<uint32_t>::max()) {
    return Fail(Code::kResourceExhausted, "chunks: a chunk of {} bytes", frame.size());
  }
  RETURN_IF_ERROR(file_->Append(frame));
  return uint64_t{segments_ - 1} << 32 | offset;
}

base::Status ChunkWriter::Finish() {
  if (!file_) return {};
  RETURN_IF_ERROR(file_->Sync());
  finished_bytes_ += file_->offset();
  file_.reset();
  return {};
}

base::Result<std::unique_ptr<ChunkFiles>> ChunkFiles::Open(base::FileSystem& files,
                                                           const std::string& directory) {
  auto result = std::make_unique<ChunkFiles>();
  ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, files.List(directory));
  for (const base::DirectoryEntry& entry : entries) {
    if (entry.is_directory || !IsSegmentName(entry.name)) continue;
    Segment segment{.path = base::JoinPath(directory, entry.name)};
    ASSIGN_OR_RETURN(segment.file, files.Open(segment.path, base::FileSystem::Mode::kRead));
    ASSIGN_OR_RETURN(segment.bytes, segment.file->Size());
    ASSIGN_OR_RETURN(const std::string header, segment.file->ReadAt(0, kChunkFileHeaderBytes));
    if (header.size() < kChunkFileHeaderBytes ||
        base::LoadBigEndian<uint32_t>(header.data()) != kChunkFileMagic) {
      return Fail(Code::kDataLoss, "{}: not a chunk file", segment.path);
    }
    if (const auto version = static_cast<uint8_t>(header[4]); version != kChunkFileVersion) {
      return Fail(Code::kUnimplemented, "{}: version {} is not known", segment.path, version);
    }
    result->bytes_ += segment.bytes;
    result->segments_.push_back(std::move(segment));
  }
  return result;
}

base::Result<RawChunk> ChunkFiles::Parse(const Segment& segment, uint64_t offset,
                                         std::string_view window, std::string& storage) const {
  const auto damaged = [&](std::string_view what) {
    return Fail(Code::kDataLoss, "{}: offset {}: {}", segment.path, offset, what);
  };
  if (window.size() < kChunkHeaderBytesMax) {
    ASSIGN_OR_RETURN(storage, segment.file->ReadAt(offset, kLastChunkBytes));
    window = storage;
  }
  base::ByteReader header(window);
  const uint64_t size = header.ReadUvarint();
  if (!header.ok() || size > segment.bytes) return damaged("a chunk longer than its file");
  const uint64_t begin = header.offset();
  const uint64_t whole = begin + 1 + size + kChecksumBytes;
  if (window.size() < whole) {
    ASSIGN_OR_RETURN(storage, segment.file->ReadAt(offset, whole));
    window = storage;
    if (window.size() < whole) return damaged("a chunk behind the end of the file");
  }
  const std::string_view content = window.substr(begin, 1 + size);
  if (base::Crc32c(content) != base::LoadBigEndian<uint32_t>(content.data() + content.size())) {
    return damaged("checksum mismatch");
  }
  return RawChunk{static_cast<chunk::Encoding>(content[0]), content.substr(1)};
}

base::Status ChunkFiles::Read(std::span<const ChunkMeta> chunks, const Visitor& visit) const {
  std::string storage;
  for (size_t i = 0; i < chunks.size();) {
    const uint64_t first = chunks[i].ref;
    if (SegmentOf(first) >= segments_.size() ||
        OffsetOf(first) >= segments_[SegmentOf(first)].bytes) {
      return Fail(Code::kDataLoss, "chunks: reference {} leads nowhere", first);
    }
    const Segment& segment = segments_[SegmentOf(first)];
    size_t end = i + 1;
    while (end < chunks.size() && SegmentOf(chunks[end].ref) == SegmentOf(first) &&
           chunks[end].ref > chunks[end - 1].ref && chunks[end].ref - first < kReadAheadBytes) {
      ++end;
    }
    const uint64_t distance = chunks[end - 1].ref - first;
    ASSIGN_OR_RETURN(const std::string window,
                     segment.file->ReadAt(OffsetOf(first), distance + kLastChunkBytes));
    for (; i < end; ++i) {
      const uint64_t at = chunks[i].ref - first;
      const std::string_view rest =
          at < window.size() ? std::string_view(window).substr(at) : std::string_view();
      ASSIGN_OR_RETURN(const RawChunk chunk,
                       Parse(segment, OffsetOf(chunks[i].ref), rest, storage));
      RETURN_IF_ERROR(visit(i, chunk));
    }
  }
  return {};
}

}  // namespace narthex::tsdb
