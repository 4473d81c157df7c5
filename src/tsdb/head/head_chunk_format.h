#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "chunk/xor_chunk.h"
#include "model/sample.h"
#include "wal/records.h"

namespace narthex::tsdb {

// The bytes of a file in `chunks_head`. docs/format/head-chunks.md.

inline constexpr size_t kHeadChunkFileHeaderBytes = 8;
inline constexpr size_t kHeadChunkHeaderBytes = 8 + 8 + 8 + 1;  // Without the uvarint length.

struct HeadChunk {
  wal::Ref ref;
  model::TimeRange range;  // First and last sample.
  chunk::Encoding encoding;
  bool out_of_order;
  std::string_view bytes;
};
struct ParsedHeadChunk {
  HeadChunk chunk;
  size_t size;  // With header and checksum.
};

void AppendHeadChunkFileHeader(std::string& out);
void AppendHeadChunk(std::string& out, const HeadChunk& chunk);

// The size that the header at the beginning of `bytes` gives, with header and checksum; 0 where
// that goes beyond them.
size_t HeadChunkSize(std::string_view bytes);

// The chunk at the beginning of `bytes`. Errors: kOutOfRange where the bytes end too early,
// kDataLoss for a checksum that does not fit, with `size` the length that the header gave.
base::Result<ParsedHeadChunk> ParseHeadChunk(std::string_view bytes, size_t* size);

// Walks over the chunks of one file. Damage is passed over where the next chunk checks out behind
// it. Returns where what is good at the end stops.
uint64_t ScanHeadChunkFile(
    std::string_view bytes, const std::function<void(const HeadChunk&, uint64_t)>& on_chunk,
    const std::function<void(uint64_t offset, std::string cause)>& on_damage);

}  // namespace narthex::tsdb
