#include "discovery/discovery.h"

#include <algorithm>
#include <span>
#include <thread>

#include "base/directory_watch.h"
#include "base/mutex.h"
#include "base/thread_pool.h"
#include "discovery/internal/finder.h"

namespace narthex::discovery {
namespace internal {

base::Result<std::unique_ptr<Finder>> MakeFinder(const Config& config, const World& world) {
  if (const auto* const file = std::get_if<FileConfig>(&config)) {
    return MakeFileFinder(*file, world);
  }
  if (const auto* const http = std::get_if<HttpConfig>(&config)) {
    return MakeHttpFinder(*http, world);
  }
  return MakeDnsFinder(std::get<DnsConfig>(config), world);
}

}  // namespace internal

namespace {

constexpr size_t kThreadsMax = 16;
constexpr std::chrono::milliseconds kThreadIdle{10'000};
constexpr int64_t kNsPerMs = 1'000'000;
// Bounds one wait, so that a clock that is not the machine's is noticed.
constexpr int64_t kWaitMsMax = 1'000;

}  // namespace

class Discovery::Engine {
 public:
  Engine(base::Env env, base::Logger& log, Options options)
      : env_(env),
        log_(log),
        options_(std::move(options)),
        resolver_(options_.dns),
        world_{env, log, client_, resolver_, counters_, options_.http_bytes_max},
        threads_(kThreadsMax, kThreadIdle) {
    auto watch = base::DirectoryWatch::Create();
    if (watch) {
      watch_ = *std::move(watch);
    } else {
      NoteWatchError(watch.error().message);
    }
    Reload(options_.pools);
  }

  ~Engine() {
    stop_.request_stop();
    if (thread_.joinable()) {
      thread_.request_stop();
      Wake();
      thread_.join();
    }
    threads_.Stop();
  }

  void Reload(const std::vector<Pool>& pools) {
    const std::vector<std::shared_ptr<Place>> before = Places();
    std::vector<std::shared_ptr<Place>> places;
    std::vector<std::vector<std::shared_ptr<Place>>> of_pools(pools.size());
    uint64_t failed = 0;
    for (size_t pool = 0; pool < pools.size(); ++pool) {
      for (const Config& config : pools[pool].configs) {
        std::shared_ptr<Place> place = FindPlace(places, config);
        if (place == nullptr) {
          place = FindPlace(before, config);
          if (place == nullptr) place = MakePlace(config, pools[pool].name);
          if (place != nullptr) places.push_back(place);
        }
        if (place == nullptr) {
          ++failed;
        } else {
          of_pools[pool].push_back(std::move(place));
        }
      }
    }
    {
      base::MutexLock lock(mutex_);
      // What is being looked at goes with the end of the look.
      for (const auto& place : before) place->pools.clear();
      for (size_t pool = 0; pool < of_pools.size(); ++pool) {
        for (const auto& place : of_pools[pool]) place->pools.insert(pool);
      }
      places_ = std::move(places);
      pools_ = std::move(of_pools);
      changed_.clear();
      for (size_t pool = 0; pool < pools_.size(); ++pool) {
        if (!pools_[pool].empty()) changed_.insert(pool);
      }
      statistics_.failed_configs = failed;
      if (places_.empty()) return;
    }
    if (thread_.joinable()) return Wake();
    thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
  }

  std::set<size_t> TakeChanged() {
    base::MutexLock lock(mutex_);
    if (!changed_.empty()) ++statistics_.updates;
    return std::exchange(changed_, {});
  }

  std::vector<TargetGroup> groups(size_t pool) const {
    base::MutexLock lock(mutex_);
    std::vector<TargetGroup> all;
    for (const auto& place : pools_.at(pool)) {
      all.insert(all.end(), place->groups.begin(), place->groups.end());
    }
    return all;
  }

  bool has_looked(size_t pool) const {
    base::MutexLock lock(mutex_);
    return std::ranges::all_of(pools_.at(pool), [](const auto& place) { return place->is_seen; });
  }

  Statistics statistics() const {
    base::MutexLock lock(mutex_);
    Statistics all = statistics_;
    all.file_read_errors = counters_.file_read_errors;
    all.http_failures = counters_.http_failures;
    all.http_too_large = counters_.http_too_large;
    all.dns_lookups = counters_.dns_lookups;
    all.dns_lookup_failures = counters_.dns_lookup_failures;
    for (const auto& place : places_) all.file_times.merge(place->finder->file_times());
    return all;
  }

 private:
  struct Place {
    Config config;
    std::unique_ptr<internal::Finder> finder;
    // The rest is under the engine's lock.
    std::set<size_t> pools;
    int64_t due_ns = 0;
    bool is_looking = false;
    bool is_stale = false;  // Something changed while it was looking.
    bool is_seen = false;   // A look has succeeded.
    std::string error;      // Of the last look.
    std::vector<TargetGroup> groups;
  };

  std::vector<std::shared_ptr<Place>> Places() const {
    base::MutexLock lock(mutex_);
    return places_;
  }

  static std::shared_ptr<Place> FindPlace(std::span<const std::shared_ptr<Place>> places,
                                          const Config& config) {
    const auto found = std::ranges::find_if(
        places, [&](const std::shared_ptr<Place>& place) { return place->config == config; });
    return found == places.end() ? nullptr : *found;
  }

  // Null where the settings cannot be used.
  std::shared_ptr<Place> MakePlace(const Config& config, const std::string& job) {
    base::Result<std::unique_ptr<internal::Finder>> finder = internal::MakeFinder(config, world_);
    if (!finder) {
      log_.Error(
          "discovery", "these settings cannot be used; nothing is found with them",
          {{"job", job}, {"mechanism", MechanismOf(config)}, {"err", finder.error().message}});
      return nullptr;
    }
    auto place = std::make_shared<Place>();
    place->config = config;
    place->finder = *std::move(finder);
    return place;
  }

  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const int64_t wait_ms = Begin();
      NoteChanges(Wait(std::chrono::milliseconds(wait_ms)));
    }
  }

  void Wake() {
    if (watch_ != nullptr) return watch_->Wake();
    base::MutexLock lock(mutex_);
    is_woken_ = true;
    wake_.NotifyAll();
  }

  std::set<std::string> Wait(std::chrono::milliseconds timeout) {
    if (watch_ != nullptr) return watch_->Wait(timeout);
    base::MutexLock lock(mutex_);
    if (!is_woken_) wake_.WaitFor(mutex_, timeout);
    is_woken_ = false;
    return {};
  }

  void NoteChanges(const std::set<std::string>& directories) {
    if (directories.empty()) return;
    base::MutexLock lock(mutex_);
    for (const auto& place : places_) {
      const std::set<std::string> own = place->finder->directories();
      const bool is_changed = std::ranges::any_of(
          own, [&](const std::string& directory) { return directories.contains(directory); });
      if (!is_changed) continue;
      place->due_ns = env_.clock.MonotonicNs();
      place->is_stale = place->is_looking;
    }
  }

  // Starts the looks that are due; says how many milliseconds there are until the next.
  int64_t Begin() {
    const int64_t now_ns = env_.clock.MonotonicNs();
    std::vector<std::shared_ptr<Place>> due;
    int64_t wait_ms = kWaitMsMax;
    {
      base::MutexLock lock(mutex_);
      for (const auto& place : places_) {
        if (place->is_looking) continue;
        if (place->due_ns <= now_ns) {
          place->is_looking = true;
          place->is_stale = false;
          place->due_ns = now_ns + place->finder->interval_ms() * kNsPerMs;
          due.push_back(place);
        } else {
          wait_ms = std::min(wait_ms, (place->due_ns - now_ns) / kNsPerMs + 1);
        }
      }
    }
    // Before the look, so that nothing happens unseen in between.
    if (std::ranges::any_of(due,
                            [](const auto& at) { return !at->finder->directories().empty(); })) {
      WatchDirectories();
    }
    for (const std::shared_ptr<Place>& place : due) {
      threads_.Run([this, place] { Look(*place); });
    }
    return wait_ms;
  }

  void WatchDirectories() {
    if (watch_ == nullptr) return;
    std::set<std::string> all;
    for (const auto& place : Places()) all.merge(place->finder->directories());
    if (const base::Status status = watch_->Watch(all); !status) {
      NoteWatchError(status.error().message);
    } else {
      base::MutexLock lock(mutex_);
      watch_error_.clear();
    }
  }

  // Files are looked at in their interval all the same.
  void NoteWatchError(const std::string& message) {
    base::MutexLock lock(mutex_);
    ++statistics_.file_watcher_errors;
    if (watch_error_ == message) return;
    watch_error_ = message;
    log_.Warn("discovery", "changes of files are noticed later", {{"err", message}});
  }

  void Look(Place& place) {
    const int64_t began_ns = env_.clock.MonotonicNs();
    base::Result<std::vector<TargetGroup>> groups = place.finder->Look(stop_.get_token());
    if (stop_.stop_requested()) return;
    const double seconds = static_cast<double>(env_.clock.MonotonicNs() - began_ns) / 1e9;
    if (Note(place, std::move(groups), seconds) && options_.on_change) options_.on_change();
    Wake();
  }

  // Whether something changed.
  bool Note(Place& place, base::Result<std::vector<TargetGroup>> groups, double seconds) {
    base::MutexLock lock(mutex_);
    place.is_looking = false;
    if (place.is_stale) place.due_ns = 0;
    Mechanism& mechanism = statistics_.mechanisms[std::string(MechanismOf(place.config))];
    ++mechanism.looks;
    mechanism.seconds += seconds;
    if (!groups) {
      ++mechanism.failures;
      if (place.error != groups.error().message) {
        place.error = groups.error().message;
        log_.Error("discovery", "unable to refresh target groups; they stay as they were",
                   {{"mechanism", MechanismOf(place.config)}, {"err", place.error}});
      }
      return false;
    }
    place.error.clear();
    ++statistics_.received_updates;
    if (std::exchange(place.is_seen, true) && place.groups == *groups) return false;
    place.groups = *std::move(groups);
    changed_.insert(place.pools.begin(), place.pools.end());
    return true;
  }

  const base::Env env_;
  base::Logger& log_;
  const Options options_;
  const net::DnsResolver resolver_;
  internal::Counters counters_;
  net::HttpClient client_;
  const internal::World world_;
  std::unique_ptr<base::DirectoryWatch> watch_;

  mutable base::Mutex mutex_;
  base::CondVar wake_;
  bool is_woken_ GUARDED_BY(mutex_) = false;
  std::string watch_error_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Place>> places_ GUARDED_BY(mutex_);              // As they were made.
  std::vector<std::vector<std::shared_ptr<Place>>> pools_ GUARDED_BY(mutex_);  // Of each, its own.
  std::set<size_t> changed_ GUARDED_BY(mutex_);
  Statistics statistics_ GUARDED_BY(mutex_);

  std::stop_source stop_;
  base::ThreadPool threads_;
  std::jthread thread_;
};

Discovery::Discovery(base::Env env, base::Logger& log, Options options)
    : engine_(std::make_unique<Engine>(env, log, std::move(options))) {}
Discovery::~Discovery() = default;
void Discovery::Reload(const std::vector<Pool>& pools) { engine_->Reload(pools); }
std::set<size_t> Discovery::TakeChanged() { return engine_->TakeChanged(); }
std::vector<TargetGroup> Discovery::groups(size_t pool) const { return engine_->groups(pool); }
bool Discovery::has_looked(size_t pool) const { return engine_->has_looked(pool); }
Discovery::Statistics Discovery::statistics() const { return engine_->statistics(); }

}  // namespace narthex::discovery
