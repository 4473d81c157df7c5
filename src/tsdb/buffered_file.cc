#include "tsdb/buffered_file.h"

namespace narthex::tsdb {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

}  // namespace

base::Result<BufferedFile> BufferedFile::Create(base::FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<base::File> file,
                   files.Open(path, base::FileSystem::Mode::kCreateNew));
  return BufferedFile(std::move(file));
}

base::Status BufferedFile::Append(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() < kBufferBytes ? base::Status() : Flush();
}

base::Status BufferedFile::Align(size_t alignment) {
  const size_t excess = offset() % alignment;
  if (excess != 0) buffer_.append(alignment - excess, '\0');
  return {};
}

base::Status BufferedFile::Flush() {
  if (buffer_.empty()) return {};
  RETURN_IF_ERROR(file_->Append(buffer_));
  flushed_ += buffer_.size();
  buffer_.clear();
  return {};
}

base::Status BufferedFile::Sync() {
  RETURN_IF_ERROR(Flush());
  return file_->Sync();
}

base::Result<std::string> BufferedFile::ReadAt(uint64_t offset, size_t size) const {
  return file_->ReadAt(offset, size);
}

}  // namespace narthex::tsdb
