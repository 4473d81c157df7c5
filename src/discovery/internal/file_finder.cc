#include <fnmatch.h>

#include <algorithm>

#include "base/directory_watch.h"
#include "discovery/internal/finder.h"

namespace narthex::discovery::internal {
namespace {

constexpr std::string_view kFilePath = "__meta_filepath";

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Keeps what each file last said while it could be understood. Source: Prometheus, file_sd_config.
class FileFinder final : public Finder {
 public:
  FileFinder(const FileConfig& config, const World& world) : config_(config), world_(world) {}

  int64_t interval_ms() const override { return config_.refresh_interval_ms; }

  std::set<std::string> directories() const override {
    std::set<std::string> found;
    for (const std::string& path : config_.files) found.insert(base::ParentPath(path));
    return found;
  }

  std::map<std::string, int64_t> file_times() const override {
    base::MutexLock lock(mutex_);
    return times_;
  }

  base::Result<std::vector<TargetGroup>> Look(const std::stop_token&) override {
    std::map<std::string, Known> now;
    std::map<std::string, int64_t> times;
    std::vector<TargetGroup> all;
    for (const std::string& pattern : config_.files) {
      for (const std::string& path : Expand(pattern)) {
        if (now.contains(path)) continue;
        Known& known = now[path];
        known = std::move(known_[path]);
        Read(path, known);
        all.insert(all.end(), known.groups.begin(), known.groups.end());
        if (const auto time = base::ModifiedMs(path)) times[path] = *time;
      }
    }
    known_ = std::move(now);
    base::MutexLock lock(mutex_);
    times_ = std::move(times);
    return all;
  }

 private:
  struct Known {
    std::vector<TargetGroup> groups;
    std::string error;  // Of the last look.
  };

  std::vector<std::string> Expand(const std::string& pattern) const {
    const std::string directory = base::ParentPath(pattern);
    const std::string name(NameOf(pattern));
    std::vector<std::string> paths;
    const auto entries = world_.env.files.List(directory);
    if (!entries) return paths;
    for (const base::DirectoryEntry& entry : *entries) {
      if (entry.is_directory || ::fnmatch(name.c_str(), entry.name.c_str(), 0) != 0) continue;
      paths.push_back(pattern.substr(0, pattern.size() - name.size()) + entry.name);
    }
    return paths;
  }

  base::Result<std::vector<TargetGroup>> Parse(const std::string& path) const {
    ASSIGN_OR_RETURN(const std::string text, base::ReadFile(world_.env.files, path));
    const bool is_json = path.ends_with(".json") || path.ends_with(".JSON");
    return is_json ? ParseJsonTargets(text, path) : ParseYamlTargets(text, path);
  }

  void Read(const std::string& path, Known& known) const {
    base::Result<std::vector<TargetGroup>> groups = Parse(path);
    if (!groups) {
      ++world_.counters.file_read_errors;
      if (known.error != groups.error().message) {
        known.error = groups.error().message;
        world_.log.Error("discovery", "a file was not taken over; its targets stay as they were",
                         {{"file", path}, {"err", known.error}});
      }
      return;
    }
    known.error.clear();
    known.groups = *std::move(groups);
    for (TargetGroup& group : known.groups) {
      std::erase_if(group.labels, [](const auto& label) { return label.name == kFilePath; });
      group.labels.push_back({std::string(kFilePath), path});
    }
  }

  const FileConfig config_;
  const World& world_;
  std::map<std::string, Known> known_;  // By path.
  mutable base::Mutex mutex_;
  std::map<std::string, int64_t> times_ GUARDED_BY(mutex_);
};

}  // namespace

base::Result<std::unique_ptr<Finder>> MakeFileFinder(const FileConfig& config, const World& world) {
  return std::make_unique<FileFinder>(config, world);
}

}  // namespace narthex::discovery::internal
