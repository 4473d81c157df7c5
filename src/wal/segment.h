#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"

namespace narthex::wal {

// The framing of segment files: pages of 32 KiB, records cut into fragments that never cross a
// page. docs/format/wal.md. Source: Prometheus, tsdb/wlog.
inline constexpr size_t kPageBytes = 32 * 1024;
inline constexpr size_t kFragmentHeaderBytes = 7;  // Type and flags, length (2), CRC-32C (4).
inline constexpr uint8_t kFragmentTypeMask = 0x07;
inline constexpr uint8_t kSnappyFlag = 0x08;
inline constexpr uint8_t kZstdFlag = 0x10;
enum class FragmentType : uint8_t {
  kRestIsEmpty = 0,
  kFull = 1,
  kFirst = 2,
  kMiddle = 3,
  kLast = 4
};

// A record larger than this is refused on writing and taken for damage on reading.
inline constexpr size_t kRecordBytesMax = 512 << 20;

std::string SegmentName(uint32_t index);  // "00000042"

struct SegmentFile {
  uint32_t index;
  std::string path;
  uint64_t bytes;
};
// The segments of a WAL directory in order; other files are passed over. An absent directory is an
// empty one.
base::Result<std::vector<SegmentFile>> ListSegments(base::FileSystem& files,
                                                    const std::string& directory);

struct Checkpoint {
  uint32_t index;  // Replaces all segments up to this one.
  std::string path;
};
// The newest `checkpoint.NNNNNNNN` directory.
base::Result<std::optional<Checkpoint>> FindCheckpoint(base::FileSystem& files,
                                                       const std::string& directory);

}  // namespace narthex::wal
