#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace narthex::base {

// A file of fixed size that is written as memory is. What was written is in the file however the
// process ends, as long as the machine goes on. One thread at a time for each byte.
class FileMemory {
 public:
  // Replaces the file by one of `size` zeros. Error: what the system says, with the path.
  static Result<std::unique_ptr<FileMemory>> Create(const std::string& path, size_t size);
  ~FileMemory();
  FileMemory(const FileMemory&) = delete;
  FileMemory& operator=(const FileMemory&) = delete;

  std::span<char> bytes() const { return bytes_; }

 private:
  explicit FileMemory(std::span<char> bytes) : bytes_(bytes) {}

  const std::span<char> bytes_;
};

}  // namespace narthex::base
