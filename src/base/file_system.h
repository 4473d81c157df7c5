#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace narthex::base {

// An open file. One thread at a time, but for ReadAt and Sync, which are thread-safe.
class File {
 public:
  virtual ~File() = default;

  // Up to `size` bytes from `offset`; fewer only at the end of the file.
  virtual Result<std::string> ReadAt(uint64_t offset, size_t size) const = 0;
  // Writes all of `bytes` at the end. On an error any prefix of them may have been written: the
  // caller truncates back to the last good size.
  virtual Status Append(std::string_view bytes) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // Makes durable what was appended before the call (fdatasync). An error is final: a second try
  // proves nothing.
  virtual Status Sync() = 0;
  virtual Result<uint64_t> Size() const = 0;
};

// A read-only mapping. The bytes live as long as the object. Where they cannot be had, because the
// file was cut off meanwhile or its disk fails, they read as zeros.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::string_view bytes() const = 0;
  // False once a read met bytes that could not be had. A file that was cut off within its last page
  // reads as zeros from there on without that: who depends on it looks at its last bytes.
  virtual bool intact() const = 0;
};

// Holds an advisory lock until it is destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
  uint64_t size = 0;  // Bytes; 0 for a directory.
};

struct DiskSpace {
  uint64_t total = 0;  // Bytes.
  uint64_t free = 0;   // That an unprivileged process may still write.
  uint64_t free_for_root = 0;
  uint64_t inodes = 0, inodes_free = 0;  // 0 where the file system has no such limit.
};

// Files and directories: the only way to a disk, so that tests can take the disk's place (see
// base/testing/memory_file_system.h). Thread-safe. Every error names the path.
class FileSystem {
 public:
  enum class Mode {
    kRead,       // Must exist.
    kAppend,     // Created if absent; writes go to the end.
    kCreateNew,  // kAlreadyExists if present.
  };

  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> Open(const std::string& path, Mode mode) = 0;
  virtual Result<std::unique_ptr<MappedFile>> Map(const std::string& path) = 0;
  // Replaces `to`. Durable once SyncDirectory of the parent has succeeded.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A second name for a file, without a copy of its bytes.
  virtual Status Link(const std::string& existing, const std::string& name) = 0;
  // A file or an empty directory.
  virtual Status Remove(const std::string& path) = 0;
  virtual Status CreateDirectories(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Sorted by name, without "." and "..".
  virtual Result<std::vector<DirectoryEntry>> List(const std::string& path) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  // Takes an exclusive advisory lock on `path`, creating it with our process id as content.
  // kFailedPrecondition, naming the holder, while somebody else has it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  // Of the file system that holds `path`.
  virtual Result<DiskSpace> Space(const std::string& path) = 0;
};

// The machine's files.
FileSystem& PosixFileSystem();

// The whole file.
Result<std::string> ReadFile(FileSystem& files, const std::string& path);
// Writes `<path>.tmp`, syncs it, renames it over `path` and syncs the directory: readers see the
// old content or the new, also after a crash.
Status WriteFileAtomically(FileSystem& files, const std::string& path, std::string_view bytes);
// A file or a directory with all that is in it. Absent is success.
Status RemoveAll(FileSystem& files, const std::string& path);
std::string JoinPath(std::string_view directory, std::string_view name);
// The part before the last slash; "." where there is none.
std::string ParentPath(std::string_view path);

}  // namespace narthex::base
