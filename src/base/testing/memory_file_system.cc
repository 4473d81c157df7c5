#include "base/testing/memory_file_system.h"

#include <algorithm>

#include "base/check.h"

namespace narthex::base {

class MemoryFile final : public File {
 public:
  MemoryFile(MemoryFileSystem& disk, std::shared_ptr<MemoryFileSystem::Node> node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)) {}

  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    MutexLock lock(disk_.mutex_);
    if (offset >= node_->written.size()) return std::string();
    return node_->written.substr(offset, size);
  }

  Status Append(std::string_view bytes) override {
    MutexLock lock(disk_.mutex_);
    switch (disk_.Decide("append", path_)) {
      case MemoryFileSystem::Fate::kSucceed: {
        const uint64_t used = disk_.UsedBytes();
        const uint64_t room = disk_.capacity_ - std::min(used, disk_.capacity_);
        node_->written += bytes.substr(0, room);
        if (bytes.size() <= room) return {};
        return Fail(Code::kResourceExhausted, "append {}: No space left on device", path_);
      }
      case MemoryFileSystem::Fate::kHalfDone:
        node_->written += bytes.substr(0, bytes.size() / 2);
        break;
      case MemoryFileSystem::Fate::kFail:
        break;
    }
    return disk_.Refuse("append", path_);
  }

  Status Truncate(uint64_t size) override {
    MutexLock lock(disk_.mutex_);
    if (disk_.Decide("truncate", path_) != MemoryFileSystem::Fate::kSucceed) {
      return disk_.Refuse("truncate", path_);
    }
    node_->written.resize(size);
    return {};
  }

  Status Sync() override {
    disk_.BeforeSync(path_);
    MutexLock lock(disk_.mutex_);
    if (disk_.Decide("sync", path_) != MemoryFileSystem::Fate::kSucceed) {
      return disk_.Refuse("sync", path_);
    }
    node_->synced = node_->written;
    return {};
  }

  Result<uint64_t> Size() const override {
    MutexLock lock(disk_.mutex_);
    return node_->written.size();
  }

 private:
  MemoryFileSystem& disk_;
  std::shared_ptr<MemoryFileSystem::Node> node_;
  std::string path_;
};

class MemoryLock final : public FileLock {
 public:
  MemoryLock(MemoryFileSystem& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~MemoryLock() override {
    MutexLock lock(disk_.mutex_);
    disk_.locks_.erase(path_);
    disk_.nodes_.erase(path_);
  }

 private:
  MemoryFileSystem& disk_;
  std::string path_;
};

namespace {

class MemoryMapping final : public MappedFile {
 public:
  explicit MemoryMapping(std::string content) : content_(std::move(content)) {}
  std::string_view bytes() const override { return content_; }
  bool intact() const override { return true; }

 private:
  std::string content_;
};

}  // namespace

MemoryFileSystem::Plan MemoryFileSystem::FailCall(int n, Fate fate) {
  return [n, fate](const Call& call) { return call.number == n ? fate : Fate::kSucceed; };
}

void MemoryFileSystem::SetPlan(Plan plan, Code error) {
  MutexLock lock(mutex_);
  plan_ = std::move(plan);
  error_ = error;
}

void MemoryFileSystem::FailMap(int n) {
  MutexLock lock(mutex_);
  maps_until_failure_ = n;
  fired_ = false;
}

void MemoryFileSystem::SetBeforeSync(std::function<void(const std::string&)> before_sync) {
  MutexLock lock(mutex_);
  before_sync_ = std::move(before_sync);
}

void MemoryFileSystem::BeforeSync(const std::string& path) {
  std::function<void(const std::string&)> before_sync;
  {
    MutexLock lock(mutex_);
    before_sync = before_sync_;
  }
  if (before_sync) before_sync(path);
}

void MemoryFileSystem::SetCapacity(uint64_t bytes) {
  MutexLock lock(mutex_);
  capacity_ = bytes;
}

int MemoryFileSystem::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

bool MemoryFileSystem::fired() const {
  MutexLock lock(mutex_);
  return fired_;
}

void MemoryFileSystem::ResetCalls() {
  MutexLock lock(mutex_);
  calls_ = 0;
  fired_ = false;
}

void MemoryFileSystem::LosePower() {
  MutexLock lock(mutex_);
  for (auto& [path, node] : nodes_) node->written = node->synced;
}

void MemoryFileSystem::Corrupt(const std::string& path, uint64_t offset, char byte) {
  MutexLock lock(mutex_);
  const auto found = nodes_.find(path);
  CHECK(found != nodes_.end() && offset < found->second->written.size());
  found->second->written[offset] = byte;
}

std::string MemoryFileSystem::Content(const std::string& path) const {
  MutexLock lock(mutex_);
  const auto found = nodes_.find(path);
  CHECK(found != nodes_.end());
  return found->second->written;
}

void MemoryFileSystem::SetContent(const std::string& path, std::string content) {
  MutexLock lock(mutex_);
  auto& node = nodes_[path];
  if (node == nullptr) node = std::make_shared<Node>();
  node->written = std::move(content);
  node->synced = node->written;
}

MemoryFileSystem::Fate MemoryFileSystem::Decide(std::string_view operation, std::string_view path) {
  const int number = calls_++;
  const Fate fate = plan_ ? plan_({number, operation, path}) : Fate::kSucceed;
  if (fate != Fate::kSucceed) fired_ = true;
  return fate;
}

std::unexpected<Error> MemoryFileSystem::Refuse(std::string_view operation,
                                                std::string_view path) const {
  return Fail(error_, "{} {}: injected fault", operation, path);
}

Result<std::unique_ptr<File>> MemoryFileSystem::Open(const std::string& path, Mode mode) {
  MutexLock lock(mutex_);
  auto found = nodes_.find(path);
  const bool present = found != nodes_.end();
  if (present && found->second->is_directory) {
    return Fail(Code::kInvalidArgument, "{}: Is a directory", path);
  }
  if (mode == Mode::kRead && !present) {
    return Fail(Code::kNotFound, "{}: No such file or directory", path);
  }
  if (mode == Mode::kCreateNew && present) {
    return Fail(Code::kAlreadyExists, "{}: File exists", path);
  }
  if (mode != Mode::kRead && Decide("open", path) != Fate::kSucceed) return Refuse("open", path);
  if (!present) found = nodes_.emplace(path, std::make_shared<Node>()).first;
  return std::make_unique<MemoryFile>(*this, found->second, path);
}

Result<std::unique_ptr<MappedFile>> MemoryFileSystem::Map(const std::string& path) {
  MutexLock lock(mutex_);
  if (maps_until_failure_ >= 0 && maps_until_failure_-- == 0) {
    fired_ = true;
    return Refuse("map", path);
  }
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return Fail(Code::kNotFound, "{}: No such file or directory", path);
  return std::make_unique<MemoryMapping>(found->second->written);
}

Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  if (Decide("rename", from) != Fate::kSucceed) return Refuse("rename", from);
  if (!nodes_.contains(from)) return Fail(Code::kNotFound, "{}: No such file or directory", from);
  // A directory takes what lies below it along.
  std::vector<std::pair<std::string, std::shared_ptr<Node>>> moved;
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    if (it->first == from || it->first.starts_with(from + "/")) {
      moved.emplace_back(to + it->first.substr(from.size()), it->second);
      it = nodes_.erase(it);
    } else {
      ++it;
    }
  }
  for (auto& [path, node] : moved) nodes_[path] = std::move(node);
  return {};
}

Status MemoryFileSystem::Link(const std::string& existing, const std::string& name) {
  MutexLock lock(mutex_);
  if (Decide("link", name) != Fate::kSucceed) return Refuse("link", name);
  const auto found = nodes_.find(existing);
  if (found == nodes_.end()) {
    return Fail(Code::kNotFound, "{}: No such file or directory", existing);
  }
  if (nodes_.contains(name)) return Fail(Code::kAlreadyExists, "{}: File exists", name);
  const std::shared_ptr<Node> node = found->second;
  nodes_[name] = node;
  return {};
}

Status MemoryFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  if (Decide("remove", path) != Fate::kSucceed) return Refuse("remove", path);
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return Fail(Code::kNotFound, "{}: No such file or directory", path);
  const auto below = nodes_.upper_bound(path + "/");
  if (below != nodes_.end() && below->first.starts_with(path + "/")) {
    return Fail(Code::kFailedPrecondition, "{}: Directory not empty", path);
  }
  nodes_.erase(found);
  return {};
}

Status MemoryFileSystem::CreateDirectories(const std::string& path) {
  MutexLock lock(mutex_);
  if (Decide("mkdir", path) != Fate::kSucceed) return Refuse("mkdir", path);
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    auto& node = nodes_[path.substr(0, slash)];
    if (node == nullptr) node = std::make_shared<Node>(Node{.is_directory = true});
    if (slash == std::string::npos) return {};
  }
}

Status MemoryFileSystem::SyncDirectory(const std::string& path) {
  MutexLock lock(mutex_);
  if (Decide("sync directory", path) != Fate::kSucceed) return Refuse("sync directory", path);
  return {};
}

Result<std::vector<DirectoryEntry>> MemoryFileSystem::List(const std::string& path) {
  MutexLock lock(mutex_);
  const auto self = nodes_.find(path);
  if (self == nodes_.end() || !self->second->is_directory) {
    return Fail(Code::kNotFound, "{}: No such directory", path);
  }
  const std::string prefix = JoinPath(path, "");
  std::vector<DirectoryEntry> entries;
  for (auto it = nodes_.lower_bound(prefix); it != nodes_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    const std::string name = it->first.substr(prefix.size());
    if (name.find('/') != std::string::npos) continue;
    entries.push_back({name, it->second->is_directory, it->second->written.size()});
  }
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<bool> MemoryFileSystem::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  return nodes_.contains(path);
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::Lock(const std::string& path) {
  MutexLock lock(mutex_);
  if (locks_.contains(path)) {
    return Fail(Code::kFailedPrecondition, "{} is locked by process {}", path, "(this one)");
  }
  locks_[path] = true;
  nodes_[path] = std::make_shared<Node>();
  return std::make_unique<MemoryLock>(*this, path);
}

uint64_t MemoryFileSystem::UsedBytes() const {
  uint64_t used = 0;
  for (const auto& [path, node] : nodes_) used += node->written.size();
  return used;
}

Result<DiskSpace> MemoryFileSystem::Space(const std::string&) {
  MutexLock lock(mutex_);
  const uint64_t used = UsedBytes();
  const uint64_t free = capacity_ - std::min(used, capacity_);
  return DiskSpace{.total = capacity_, .free = free, .free_for_root = free};
}

}  // namespace narthex::base
