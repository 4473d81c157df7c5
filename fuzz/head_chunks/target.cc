// A file of head chunks of arbitrary bytes, also with the checksum of its first chunk put right:
// what the scan finds, a read at that place finds too, and opening leaves a file without damage.

#include <cstdint>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/head/head_chunks.h"

using namespace narthex;

namespace {

void Open(const std::string& bytes) {
  base::MemoryFileSystem disk;
  CHECK(disk.CreateDirectories("/c").has_value());
  disk.SetContent("/c/000001", bytes);
  std::map<tsdb::HeadChunks::Location, std::string> found;
  for (const bool read_only : {true, false}) {
    std::map<tsdb::HeadChunks::Location, std::string> now;
    const auto chunks = tsdb::HeadChunks::Open(
        disk, "/c", read_only,
        {.on_chunk =
             [&](const tsdb::HeadChunks::Chunk& chunk, tsdb::HeadChunks::Location location) {
               now[location] = std::string(chunk.bytes);
             },
         .on_damage = [](const tsdb::HeadChunks::Damage&) {}});
    CHECK(chunks.has_value());
    for (const auto& [location, text] : now) {
      const auto read = (*chunks)->view().Read(location);
      CHECK(read.has_value() && *read == text);
    }
    if (!read_only) CHECK(now == found);
    found = std::move(now);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Open(bytes);
  constexpr size_t kBegin = 8;
  if (bytes.size() < kBegin + 30) return 0;
  base::ByteReader reader(std::string_view(bytes).substr(kBegin + 25));
  const uint64_t length = reader.ReadUvarint();
  const size_t end = kBegin + 25 + reader.offset() + length;
  if (length > bytes.size() || end + 4 > bytes.size()) return 0;
  base::StoreBigEndian(bytes.data() + end,
                       base::Crc32c(std::string_view(bytes).substr(kBegin, end - kBegin)));
  Open(bytes);
  return 0;
}
