#include "base/file_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace narthex::base {

Result<std::unique_ptr<FileMemory>> FileMemory::Create(const std::string& path, size_t size) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FailErrno(errno, path);
  // All of its room is taken at once: a full disk is an error now, and no signal later.
  const int full = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  void* at = MAP_FAILED;
  int failure = full;
  if (full == 0) {
    at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) failure = errno;
  }
  ::close(fd);
  if (at == MAP_FAILED) return FailErrno(failure, "map " + path);
  return std::unique_ptr<FileMemory>(new FileMemory({static_cast<char*>(at), size}));
}

FileMemory::~FileMemory() { ::munmap(bytes_.data(), bytes_.size()); }

}  // namespace narthex::base
