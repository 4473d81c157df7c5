#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "tsdb/buffered_file.h"

namespace narthex::tsdb {

// The frame of a head image: sections with checksums and a directory behind them.
// docs/format/head-image.md.
enum class ImageSection : uint8_t {
  kFiles = 1,
  kState,
  kSymbols,
  kSchemas,
  kLabels,
  kSeries,
  kOpen,
  kFinished,
  kDeletions,
  kMetadata,
  kLate,
  kChunkFiles,
  kExemplars,
  kMixed,
};
inline constexpr uint8_t kImageSectionMax = static_cast<uint8_t>(ImageSection::kMixed);

// Writes an image front to back. One thread at a time.
class ImageWriter {
 public:
  // Errors: those of the disk, kAlreadyExists.
  static base::Result<ImageWriter> Create(base::FileSystem& files, const std::string& path);

  // What is appended from here on is of this section, which is compressed where that pays.
  // REQUIRES: not begun before.
  base::Status Begin(ImageSection section);
  base::Status Append(std::string_view bytes);
  // Writes the directory and hands everything to the disk.
  base::Status Finish();
  uint64_t bytes() const { return file_.offset(); }

 private:
  struct Entry {
    ImageSection section;
    bool blocks;  // Else the bytes as they are.
    uint64_t offset;
    uint64_t length;  // In the file.
    uint64_t content;
    uint32_t crc;  // Of what is in the file.
  };
  explicit ImageWriter(BufferedFile file) : file_(std::move(file)) {}
  base::Status Write(std::string_view bytes);
  base::Status WriteBlock();

  BufferedFile file_;
  std::vector<Entry> entries_;
  std::string block_;
};

// An image that is whole: every checksum fits. Its sections still have to make sense. Refers to the
// bytes; what was compressed is in memory for as long as it lives.
class ImageFile {
 public:
  // Error: kDataLoss.
  static base::Result<ImageFile> Parse(std::string_view bytes);
  // Empty when absent.
  std::string_view section(ImageSection section) const {
    return sections_[static_cast<size_t>(section)];
  }

 private:
  std::array<std::string_view, kImageSectionMax + 1> sections_;
  std::vector<std::string> inflated_;
};

}  // namespace narthex::tsdb
