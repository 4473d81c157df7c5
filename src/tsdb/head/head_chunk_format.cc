#include "tsdb/head/head_chunk_format.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace narthex::tsdb {
namespace {

constexpr uint32_t kMagic = 0x0130BC91;
constexpr uint8_t kVersion = 1;
constexpr size_t kCrcBytes = 4;
constexpr uint8_t kOutOfOrder = 0x80;  // In the encoding byte.
// No chunk of ours or of upstream comes near it; a longer one is damage.
constexpr uint64_t kChunkBytesMax = 16 << 20;

bool IsZero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == '\0'; });
}

}  // namespace

base::Result<ParsedHeadChunk> ParseHeadChunk(std::string_view bytes, size_t* size) {
  base::ByteReader reader(bytes);
  ParsedHeadChunk parsed;
  parsed.chunk.ref = reader.ReadBigEndian<uint64_t>();
  parsed.chunk.range.min = static_cast<model::Timestamp>(reader.ReadBigEndian<uint64_t>());
  parsed.chunk.range.max = static_cast<model::Timestamp>(reader.ReadBigEndian<uint64_t>());
  const uint8_t encoding = reader.ReadByte();
  const uint64_t length = reader.ReadUvarint();
  if (!reader.ok()) return base::Fail(base::Code::kOutOfRange, "the file ends inside a chunk");
  if (length > kChunkBytesMax) {
    return base::Fail(base::Code::kDataLoss, "a chunk of {} bytes", length);
  }
  parsed.size = reader.offset() + length + kCrcBytes;
  *size = parsed.size;
  parsed.chunk.bytes = reader.ReadBytes(length);
  const size_t covered = reader.offset();
  const auto crc = reader.ReadBigEndian<uint32_t>();
  if (!reader.ok()) return base::Fail(base::Code::kOutOfRange, "the file ends inside a chunk");
  if (base::Crc32c(bytes.substr(0, covered)) != crc) {
    return base::Fail(base::Code::kDataLoss, "checksum mismatch");
  }
  parsed.chunk.out_of_order = (encoding & kOutOfOrder) != 0;
  parsed.chunk.encoding = static_cast<chunk::Encoding>(encoding & ~kOutOfOrder);
  return parsed;
}

size_t HeadChunkSize(std::string_view bytes) {
  base::ByteReader reader(bytes);
  reader.ReadBytes(kHeadChunkHeaderBytes);
  const uint64_t length = reader.ReadUvarint();
  if (!reader.ok() || length > kChunkBytesMax) return 0;
  const size_t size = reader.offset() + length + kCrcBytes;
  return size <= bytes.size() ? size : 0;
}

void AppendHeadChunk(std::string& out, const HeadChunk& chunk) {
  const size_t begin = out.size();
  base::PutBigEndian(out, chunk.ref);
  base::PutBigEndian(out, static_cast<uint64_t>(chunk.range.min));
  base::PutBigEndian(out, static_cast<uint64_t>(chunk.range.max));
  out += static_cast<char>(static_cast<uint8_t>(chunk.encoding) |
                           (chunk.out_of_order ? kOutOfOrder : 0));
  base::PutUvarintString(out, chunk.bytes);
  base::PutBigEndian(out, base::Crc32c(std::string_view(out).substr(begin)));
}

void AppendHeadChunkFileHeader(std::string& out) {
  base::PutBigEndian(out, kMagic);
  out += static_cast<char>(kVersion);
  out.append(kHeadChunkFileHeaderBytes - sizeof(kMagic) - 1, '\0');
}

uint64_t ScanHeadChunkFile(std::string_view bytes,
                           const std::function<void(const HeadChunk&, uint64_t)>& on_chunk,
                           const std::function<void(uint64_t, std::string)>& on_damage) {
  if (bytes.empty()) return 0;
  if (bytes.size() < kHeadChunkFileHeaderBytes) {
    on_damage(0, "the file ends inside its header");
    return 0;
  }
  if (base::LoadBigEndian<uint32_t>(bytes.data()) != kMagic ||
      static_cast<uint8_t>(bytes[4]) != kVersion) {
    on_damage(0, "no head chunk file of a known version");
    return 0;
  }
  uint64_t at = kHeadChunkFileHeaderBytes;
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at);
    // Upstream prepares files with zeros behind the last chunk.
    if (rest.size() >= 8 && base::LoadBigEndian<uint64_t>(rest.data()) == 0 && IsZero(rest)) break;
    size_t size = 0;
    const base::Result<ParsedHeadChunk> parsed = ParseHeadChunk(rest, &size);
    if (parsed) {
      on_chunk(parsed->chunk, at);
      at += parsed->size;
      continue;
    }
    on_damage(at, parsed.error().message);
    // The length may be what is left of it: then the next chunk shows it.
    size_t next = 0;
    if (size == 0 || size >= rest.size() || !ParseHeadChunk(rest.substr(size), &next)) return at;
    at += size;
  }
  return at;
}

}  // namespace narthex::tsdb
