#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"

namespace narthex::tsdb {

// A new file that is written front to back in large pieces. One thread at a time.
class BufferedFile {
 public:
  static base::Result<BufferedFile> Create(base::FileSystem& files, const std::string& path);

  base::Status Append(std::string_view bytes);
  // Zeros up to the next multiple of `alignment`.
  base::Status Align(size_t alignment);
  // Hands the buffer to the file; ReadAt sees all that was appended before.
  base::Status Flush();
  // Flushes and makes it durable.
  base::Status Sync();
  base::Result<std::string> ReadAt(uint64_t offset, size_t size) const;
  uint64_t offset() const { return flushed_ + buffer_.size(); }

 private:
  explicit BufferedFile(std::unique_ptr<base::File> file) : file_(std::move(file)) {}

  std::unique_ptr<base::File> file_;
  std::string buffer_;
  uint64_t flushed_ = 0;
};

}  // namespace narthex::tsdb
