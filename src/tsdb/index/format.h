#pragma once

#include <cstdint>
#include <string_view>

namespace narthex::tsdb {

// Constants of a block's index file. docs/format/index.md.
// Source: Prometheus, tsdb/docs/format/index.md.
inline constexpr uint32_t kIndexMagic = 0xBAAAD700;
inline constexpr uint8_t kIndexVersionWritten = 2;
inline constexpr uint8_t kIndexVersionNewest = 3;  // Read, not written.
inline constexpr size_t kIndexHeaderBytes = 5;
inline constexpr size_t kTocBytes = 6 * 8 + 4;
// From version 2 on; a series' number is its offset / 16.
inline constexpr size_t kSeriesAlignment = 16;
inline constexpr size_t kPostingsAlignment = 4;
// One in so many symbols and postings entries is found at once, the rest from it.
inline constexpr size_t kSampling = 32;

// Where a block keeps a chunk: file in the upper 32 bits, offset in the lower. And its time range.
struct ChunkMeta {
  uint64_t ref = 0;
  int64_t min = 0;
  int64_t max = 0;  // Included.
};

}  // namespace narthex::tsdb
