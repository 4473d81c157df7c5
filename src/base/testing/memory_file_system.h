#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/mutex.h"

namespace narthex::base {

// A disk in memory with two layers, what was written and what was synced, and a plan of faults.
// Directory operations count as durable at once unless `lose_unsynced_names` is set. Thread-safe.
class MemoryFileSystem final : public FileSystem {
 public:
  // One call that changes the disk.
  struct Call {
    int number;                  // 0 for the first since construction or Reset.
    std::string_view operation;  // "open", "append", "sync", "truncate", "rename", "remove", …
    std::string_view path;
  };
  // What becomes of a call.
  enum class Fate {
    kSucceed,
    kFail,      // Nothing happens; the caller gets `error`.
    kHalfDone,  // An append writes the first half of its bytes, then fails.
  };
  using Plan = std::function<Fate(const Call&)>;

  // Fails exactly the N-th changing call.
  static Plan FailCall(int n, Fate fate = Fate::kFail);

  void SetPlan(Plan plan, Code error = Code::kResourceExhausted);
  // Changing calls so far, and whether the plan has made one fail.
  int calls() const;
  bool fired() const;
  void ResetCalls();

  // The N-th mapping from now on fails; a negative number: none does. Mappings are no calls that
  // change the disk, and not counted as such.
  void FailMap(int n);

  // Called before each file is synced, with no lock held: what it takes, the disk takes.
  void SetBeforeSync(std::function<void(const std::string& path)> before_sync);

  // The size of the disk, 1 TiB unless told. Appends that do not fit fail with kResourceExhausted,
  // after writing what fits.
  void SetCapacity(uint64_t bytes);

  // Every file goes back to its last synced content, as at a power cut.
  void LosePower();
  // Overwrites the byte at `offset`: damage. REQUIRES: the file is that long.
  void Corrupt(const std::string& path, uint64_t offset, char byte);
  std::string Content(const std::string& path) const;
  void SetContent(const std::string& path, std::string content);

  Result<std::unique_ptr<File>> Open(const std::string& path, Mode mode) override;
  Result<std::unique_ptr<MappedFile>> Map(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& existing, const std::string& name) override;
  Status Remove(const std::string& path) override;
  Status CreateDirectories(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> List(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<DiskSpace> Space(const std::string& path) override;

 private:
  friend class MemoryFile;
  friend class MemoryLock;
  struct Node {
    bool is_directory = false;
    std::string written;
    std::string synced;
  };

  void BeforeSync(const std::string& path) EXCLUDES_LOCK(mutex_);
  Fate Decide(std::string_view operation, std::string_view path) REQUIRES_LOCK(mutex_);
  std::unexpected<Error> Refuse(std::string_view operation, std::string_view path) const
      REQUIRES_LOCK(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<Node>> nodes_ GUARDED_BY(mutex_);
  std::map<std::string, bool> locks_ GUARDED_BY(mutex_);
  Plan plan_ GUARDED_BY(mutex_);
  Code error_ GUARDED_BY(mutex_) = Code::kResourceExhausted;
  std::function<void(const std::string&)> before_sync_ GUARDED_BY(mutex_);
  uint64_t UsedBytes() const REQUIRES_SHARED_LOCK(mutex_);

  uint64_t capacity_ GUARDED_BY(mutex_) = uint64_t{1} << 40;
  int maps_until_failure_ GUARDED_BY(mutex_) = -1;
  int calls_ GUARDED_BY(mutex_) = 0;
  bool fired_ GUARDED_BY(mutex_) = false;
};

}  // namespace narthex::base
