#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/file_system.h"
#include "base/mapping_guard.h"

namespace narthex::base {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> OpenDescriptor(const std::string& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return FailErrno(errno, path);
  return Descriptor(fd);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    std::string bytes(size, '\0');
    size_t done = 0;
    while (done < size) {
      const ssize_t n =
          ::pread(fd_.get(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return FailErrno(errno, "read " + path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    bytes.resize(done);
    return bytes;
  }

  Status Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return FailErrno(errno, "write " + path_);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }

  Status Truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      return FailErrno(errno, "truncate " + path_);
    }
    return {};
  }

  Status Sync() override {
    if (::fdatasync(fd_.get()) != 0) return FailErrno(errno, "sync " + path_);
    return {};
  }

  Result<uint64_t> Size() const override {
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) return FailErrno(errno, "stat " + path_);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class PosixMapping final : public MappedFile {
 public:
  explicit PosixMapping(std::string_view bytes) : bytes_(bytes) {
    if (!bytes_.empty()) guard_.emplace(bytes_);
  }
  ~PosixMapping() override {
    guard_.reset();  // First: others may get these addresses.
    if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  std::string_view bytes() const override { return bytes_; }
  bool intact() const override { return !guard_ || guard_->intact(); }

 private:
  std::string_view bytes_;
  std::optional<MappingGuard> guard_;
};

class PosixLock final : public FileLock {
 public:
  PosixLock(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  // Removed while still locked, so that nobody takes a lock on a name that then goes away.
  ~PosixLock() override { ::unlink(path_.c_str()); }

 private:
  Descriptor fd_;
  std::string path_;
};

class RealFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, Mode mode) override {
    int flags = O_RDONLY;
    if (mode == Mode::kAppend) flags = O_RDWR | O_APPEND | O_CREAT;
    if (mode == Mode::kCreateNew) flags = O_RDWR | O_APPEND | O_CREAT | O_EXCL;
    ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, flags));
    return std::make_unique<PosixFile>(std::move(fd), path);
  }

  Result<std::unique_ptr<MappedFile>> Map(const std::string& path) override {
    ASSIGN_OR_RETURN(const Descriptor fd, OpenDescriptor(path, O_RDONLY));
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return FailErrno(errno, "stat " + path);
    const auto size = static_cast<size_t>(info.st_size);
    if (size == 0) return std::make_unique<PosixMapping>(std::string_view());
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) return FailErrno(errno, "map " + path);
    return std::make_unique<PosixMapping>(std::string_view(static_cast<const char*>(at), size));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return FailErrno(errno, "rename " + from);
    return {};
  }

  Status Link(const std::string& existing, const std::string& name) override {
    if (::link(existing.c_str(), name.c_str()) != 0) return FailErrno(errno, "link " + name);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return FailErrno(errno, "remove " + path);
    return {};
  }

  Status CreateDirectories(const std::string& path) override {
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
      const std::string part = path.substr(0, slash);
      if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
        return FailErrno(errno, "create directory " + part);
      }
      if (slash == std::string::npos) return {};
    }
  }

  Status SyncDirectory(const std::string& path) override {
    ASSIGN_OR_RETURN(const Descriptor fd, OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return FailErrno(errno, "sync " + path);
    return {};
  }

  Result<std::vector<DirectoryEntry>> List(const std::string& path) override {
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) return FailErrno(errno, path);
    std::vector<DirectoryEntry> entries;
    while (const dirent* const entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat info;
      if (::fstatat(::dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      const bool is_directory = S_ISDIR(info.st_mode);
      entries.push_back(
          {name, is_directory, is_directory ? 0 : static_cast<uint64_t>(info.st_size)});
    }
    ::closedir(directory);
    std::ranges::sort(entries, {}, &DirectoryEntry::name);
    return entries;
  }

  Result<bool> Exists(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return FailErrno(errno, "stat " + path);
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_RDWR | O_CREAT));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      char holder[32] = {};
      const ssize_t n = ::pread(fd.get(), holder, sizeof(holder) - 1, 0);
      std::string pid(holder, n > 0 ? static_cast<size_t>(n) : 0);
      while (!pid.empty() && pid.back() == '\n') pid.pop_back();
      return Fail(Code::kFailedPrecondition, "{} is locked by process {}", path,
                  pid.empty() ? "(unknown)" : pid);
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 ||
        ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      return FailErrno(errno, "write " + path);
    }
    return std::make_unique<PosixLock>(std::move(fd), path);
  }

  Result<DiskSpace> Space(const std::string& path) override {
    struct statvfs info;
    if (::statvfs(path.c_str(), &info) != 0) return FailErrno(errno, "statvfs " + path);
    return DiskSpace{.total = static_cast<uint64_t>(info.f_blocks) * info.f_frsize,
                     .free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize,
                     .free_for_root = static_cast<uint64_t>(info.f_bfree) * info.f_frsize,
                     .inodes = info.f_files,
                     .inodes_free = info.f_ffree};
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static RealFileSystem files;
  return files;
}

}  // namespace narthex::base
