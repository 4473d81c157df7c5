// A chunk file of arbitrary bytes, its first chunk with the checksum put right, read at every
// offset: no read goes astray, and decoding ends.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/testing/memory_file_system.h"
#include "tsdb/block/chunk_files.h"

using namespace narthex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size > tsdb::kChunkFileHeaderBytes) {
    const std::string_view view(bytes);
    base::ByteReader reader(view.substr(tsdb::kChunkFileHeaderBytes));
    const uint64_t length = reader.ReadUvarint();
    const uint64_t begin = tsdb::kChunkFileHeaderBytes + reader.offset();
    if (reader.ok() && length < size && begin + 1 + length + 4 <= size) {
      const uint32_t crc = base::Crc32c(view.substr(begin, 1 + length));
      base::StoreBigEndian(bytes.data() + begin + 1 + length, crc);
    }
  }
  base::MemoryFileSystem disk;
  std::ignore = disk.CreateDirectories("/chunks");
  disk.SetContent("/chunks/000001", std::move(bytes));
  const auto files = tsdb::ChunkFiles::Open(disk, "/chunks");
  if (!files) return 0;
  model::SampleColumns samples;
  const auto decode = [&](size_t, tsdb::RawChunk chunk) -> base::Status {
    samples.clear();
    return chunk::DecodeXor(chunk.bytes, {}, samples);
  };
  std::vector<tsdb::ChunkMeta> all;
  for (uint64_t offset = 0; offset <= size; ++offset) {
    const tsdb::ChunkMeta chunk{.ref = offset};
    std::ignore = (*files)->Read({&chunk, 1}, decode);
    all.push_back(chunk);
  }
  std::ignore = (*files)->Read(std::span(all).subspan(std::min<size_t>(8, all.size())), decode);
  return 0;
}
