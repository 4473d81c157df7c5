#include "scrape/manager.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <thread>

#include "base/mutex.h"
#include "net/http_session.h"

namespace narthex::scrape {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// A scrape that began this close to its schedule is stamped with the schedule, which makes the
// timestamps regular and the chunks small. Source: Prometheus, scrape.timestamp-tolerance.
constexpr int64_t kToleranceMs = 2;

// Changes of discovery that come this close together are one.
constexpr int64_t kSettleMs = 50;

// Job and number of a target, in the order in which they are shown.
using TargetKey = std::pair<size_t, uint64_t>;

struct Completion {
  TargetKey key;
  base::Result<net::HttpClientResponse> response;
};

}  // namespace

class Manager::Engine {
 public:
  Engine(base::Env env, base::Logger& log, storage::Appendable& storage, Options options)
      : env_(env), log_(log), storage_(storage), options_(std::move(options)) {}

  base::Status Start() {
    std::vector<discovery::Discovery::Pool> pools;
    bool discovers = false;
    for (const JobConfig& job : options_.jobs) {
      RETURN_IF_ERROR(CheckTargets(job));
      base::Result<std::shared_ptr<net::HttpSession>> session =
          net::HttpSession::Create(job.client, env_, log_, client_);
      if (!session) return std::unexpected(std::move(session).error().In("job " + job.name));
      sessions_.push_back(*std::move(session));
      {
        base::MutexLock lock(mutex_);
        jobs_.push_back({.name = job.name});
      }
      pools.push_back({job.name, job.discovery});
      discovers |= !job.discovery.empty();
    }
    for (size_t job = 0; job < options_.jobs.size(); ++job) Sync(job, {});
    if (discovers) {
      discovery_ = std::make_unique<discovery::Discovery>(
          env_, log_,
          discovery::Discovery::Options{.pools = std::move(pools),
                                        .on_change = [this] { NoteDiscovered(); },
                                        .dns = options_.dns});
    }
    thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
    return {};
  }

  ~Engine() {
    if (thread_.joinable()) {
      thread_.request_stop();
      Wake();
      thread_.join();
    }
    discovery_.reset();
  }

  std::vector<TargetStatus> targets() const {
    base::MutexLock lock(mutex_);
    std::vector<TargetStatus> all;
    for (const auto& [key, state] : states_) {
      if (!state->is_gone) all.push_back(state->status);
    }
    return all;
  }

  std::vector<JobStatus> jobs() const {
    base::MutexLock lock(mutex_);
    return jobs_;
  }

  std::vector<MetadataEntry> metadata() const {
    base::MutexLock lock(mutex_);
    std::vector<MetadataEntry> all;
    for (const auto& [key, state] : states_) {
      for (const auto& [family, entry] : state->metadata) {
        all.push_back({family, entry.metadata, state->loop.target().labels});
      }
    }
    return all;
  }

  Statistics statistics() const {
    base::MutexLock lock(mutex_);
    return statistics_;
  }

  discovery::Discovery::Statistics discovery() const {
    return discovery_ == nullptr ? discovery::Discovery::Statistics() : discovery_->statistics();
  }

 private:
  using MetadataMap = std::map<std::string, Loop::FamilyMetadata, std::less<>>;

  struct State {
    State(const JobConfig& job, const Target& target, storage::Appendable& storage)
        : loop(job, target, storage), status{.job = job.name, .target = target} {}
    Loop loop;
    bool is_under_way = false;
    int64_t schedule_ms = 0;  // Of the scrape under way or next.
    int64_t began_wall_ms = 0;
    int64_t began_ns = 0;
    // Under the engine's lock: whether discovery has lost it, and copies for others.
    bool is_gone = false;
    TargetStatus status;
    MetadataMap metadata;
    uint64_t metadata_version = 0;
  };
  struct Due {
    int64_t wall_ms;
    TargetKey key;
    bool operator>(const Due& other) const { return wall_ms > other.wall_ms; }
  };

  void Wake() {
    base::MutexLock lock(mutex_);
    wake_.NotifyAll();
  }

  void NoteDiscovered() {
    base::MutexLock lock(mutex_);
    if (!is_discovered_) discovered_ns_ = env_.clock.MonotonicNs();
    is_discovered_ = true;
    wake_.NotifyAll();
  }

  // Milliseconds until what was discovered is taken over; none when there is nothing.
  std::optional<int64_t> DiscoveryDue() REQUIRES_LOCK(mutex_) {
    if (!is_discovered_) return std::nullopt;
    int64_t due_ns = discovered_ns_ + kSettleMs * kNsPerMs;
    if (taken_over_ns_) {
      due_ns = std::max(due_ns, *taken_over_ns_ + options_.discovery_interval_ms * kNsPerMs);
    }
    return std::max<int64_t>((due_ns - env_.clock.MonotonicNs() + kNsPerMs - 1) / kNsPerMs, 0);
  }

  void TakeOverDiscovered() {
    {
      base::MutexLock lock(mutex_);
      if (DiscoveryDue() != 0) return;
      is_discovered_ = false;
      taken_over_ns_ = env_.clock.MonotonicNs();
    }
    for (const size_t job : discovery_->TakeChanged()) Sync(job, discovery_->groups(job));
  }

  // Makes the targets of a job those that it has now. What is there already goes on as it was.
  void Sync(size_t job, const std::vector<discovery::TargetGroup>& groups) {
    Targets targets = TargetsOf(options_.jobs[job], groups);
    for (const std::string& failure : targets.failed) {
      log_.Error("scrape", "a discovered target cannot be scraped", {{"err", failure}});
    }
    std::map<std::string, TargetKey> present;
    for (const auto& [key, state] : states_) {
      if (key.first == job && !state->is_gone)
        present.emplace(IdentityOf(state->loop.target()), key);
    }
    for (Target& target : targets.active) {
      const auto known = present.find(IdentityOf(target));
      if (known == present.end()) {
        AddTarget(job, target);
        continue;
      }
      base::MutexLock lock(mutex_);
      states_.at(known->second)->status.target.discovered = std::move(target.discovered);
      present.erase(known);
    }
    for (const auto& [identity, key] : present) RemoveTarget(key);
    base::MutexLock lock(mutex_);
    JobStatus& status = jobs_[job];
    status.dropped = std::move(targets.dropped);
    status.found = targets.found;
    status.failed += targets.failed.size();
    ++status.syncs;
  }

  static std::string IdentityOf(const Target& target) {
    return fmt::format("{}\n{}\n{}\n{}", target.url, target.interval_ms, target.timeout_ms,
                       target.labels.bytes());
  }

  void AddTarget(size_t job, const Target& target) {
    auto state = std::make_unique<State>(options_.jobs[job], target, storage_);
    const int64_t now_ms = env_.clock.WallMs();
    const int64_t past = (now_ms - OffsetOf(target, options_.offset_seed)) % target.interval_ms;
    state->schedule_ms = now_ms - past + target.interval_ms;
    if (options_.first_scrape_at_once) state->schedule_ms -= target.interval_ms;
    const TargetKey key{job, ++last_number_};
    due_.push({state->schedule_ms, key});
    base::MutexLock lock(mutex_);
    states_.emplace(key, std::move(state));
  }

  // Its series end now, or when the scrape under way has come back.
  void RemoveTarget(const TargetKey& key) {
    std::unique_ptr<State> state;
    {
      base::MutexLock lock(mutex_);
      const auto found = states_.find(key);
      found->second->is_gone = true;
      if (found->second->is_under_way) return;
      state = std::move(found->second);
      states_.erase(found);
    }
    const model::Timestamp last = state->status.last_scrape;
    state->loop.MarkStale(std::max(env_.clock.WallMs(), last + 1));
  }

  void Run(std::stop_token stop) {
    while (!stop.stop_requested()) {
      std::deque<Completion> done;
      {
        base::MutexLock lock(mutex_);
        if (completions_.empty() && !stop.stop_requested()) {
          // Bounded, so that a step of the wall clock is noticed.
          int64_t wait_ms = 1000;
          if (!due_.empty()) {
            wait_ms = std::clamp<int64_t>(due_.top().wall_ms - env_.clock.WallMs(), 0, wait_ms);
          }
          if (const auto due_ms = DiscoveryDue()) wait_ms = std::min(wait_ms, *due_ms);
          if (wait_ms > 0) wake_.WaitFor(mutex_, std::chrono::milliseconds(wait_ms));
        }
        done.swap(completions_);
      }
      for (Completion& completion : done) Finish(completion);
      TakeOverDiscovered();
      const int64_t now_ms = env_.clock.WallMs();
      while (!due_.empty() && due_.top().wall_ms <= now_ms) {
        const TargetKey key = due_.top().key;
        due_.pop();
        if (const auto found = states_.find(key); found != states_.end())
          Begin(key, *found->second);
      }
    }
  }

  void Begin(const TargetKey& key, State& state) {
    state.is_under_way = true;
    state.began_wall_ms = env_.clock.WallMs();
    state.began_ns = env_.clock.MonotonicNs();
    sessions_[key.first]->Fetch(state.loop.Request(),
                                [this, key](base::Result<net::HttpClientResponse> response) {
                                  base::MutexLock lock(mutex_);
                                  completions_.push_back({key, std::move(response)});
                                  wake_.NotifyAll();
                                });
  }

  void Finish(Completion& completion) {
    State& state = *states_.at(completion.key);
    state.is_under_way = false;
    if (state.is_gone) return RemoveTarget(completion.key);
    const int64_t interval = state.loop.target().interval_ms;
    const int64_t tolerance = std::min(kToleranceMs, interval / 100);
    const int64_t late = state.began_wall_ms - state.schedule_ms;
    const int64_t time = std::abs(late) <= tolerance ? state.schedule_ms : state.began_wall_ms;
    const double seconds =
        static_cast<double>(env_.clock.MonotonicNs() - state.began_ns) / (1000.0 * kNsPerMs);
    const Outcome outcome = state.loop.Finish(completion.response, time, seconds);
    if (completion.response) client_.Recycle(*std::move(completion.response));
    Note(state, outcome);
    // Slots that passed while this scrape ran are skipped; so are those of a wall clock that
    // jumped.
    const int64_t now_ms = env_.clock.WallMs();
    state.schedule_ms += interval;
    if (state.schedule_ms <= now_ms - interval || state.schedule_ms > now_ms + interval) {
      const int64_t phase = state.schedule_ms % interval;
      state.schedule_ms = now_ms - now_ms % interval + phase;
      if (state.schedule_ms <= now_ms) state.schedule_ms += interval;
    }
    due_.push({state.schedule_ms, completion.key});
  }

  void Note(State& state, const Outcome& outcome) {
    if (outcome.out_of_order + outcome.duplicate + outcome.out_of_bounds > 0) {
      log_.Warn("scrape", "samples were not stored",
                {{"target", state.loop.target().url},
                 {"out_of_order", outcome.out_of_order},
                 {"duplicate", outcome.duplicate},
                 {"out_of_bounds", outcome.out_of_bounds}});
    }
    base::MutexLock lock(mutex_);
    const bool was_down = state.status.health == Health::kDown;
    state.status.health = outcome.status ? Health::kUp : Health::kDown;
    state.status.last_error = outcome.status ? "" : outcome.status.error().message;
    state.status.last_scrape = outcome.time;
    state.status.last_duration_seconds = outcome.duration_seconds;
    if (state.metadata_version != state.loop.metadata_version()) {
      state.metadata_version = state.loop.metadata_version();
      state.metadata = state.loop.metadata();
    }
    ++statistics_.scrapes;
    if (!outcome.status) ++statistics_.scrapes_failed;
    statistics_.samples_scraped += outcome.scraped;
    statistics_.samples_kept += outcome.kept;
    statistics_.out_of_order += outcome.out_of_order;
    statistics_.exemplars_out_of_order += outcome.exemplars_out_of_order;
    statistics_.duplicate += outcome.duplicate;
    statistics_.out_of_bounds += outcome.out_of_bounds;
    if (outcome.status || was_down) return;
    log_.Warn("scrape", "scrape failed",
              {{"target", state.loop.target().url}, {"err", outcome.status.error().message}});
  }

  const base::Env env_;
  base::Logger& log_;
  storage::Appendable& storage_;
  const Options options_;
  std::vector<std::shared_ptr<net::HttpSession>> sessions_;  // Of the jobs.
  std::unique_ptr<discovery::Discovery> discovery_;          // Null without any.
  // Changed by the engine's thread alone, under the lock.
  std::map<TargetKey, std::unique_ptr<State>> states_;

  // Of the engine's thread.
  uint64_t last_number_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;

  mutable base::Mutex mutex_;
  base::CondVar wake_;
  std::deque<Completion> completions_ GUARDED_BY(mutex_);
  std::vector<JobStatus> jobs_ GUARDED_BY(mutex_);
  bool is_discovered_ GUARDED_BY(mutex_) = false;  // Something that was not taken over yet.
  int64_t discovered_ns_ GUARDED_BY(mutex_) = 0;
  std::optional<int64_t> taken_over_ns_ GUARDED_BY(mutex_);
  Statistics statistics_ GUARDED_BY(mutex_);

  std::jthread thread_;
  net::HttpClient client_;  // Last: its callbacks use the rest.
};

base::Result<std::unique_ptr<Manager>> Manager::Start(base::Env env, base::Logger& log,
                                                      storage::Appendable& storage,
                                                      Options options) {
  auto engine = std::make_unique<Engine>(env, log, storage, std::move(options));
  RETURN_IF_ERROR(engine->Start());
  return std::unique_ptr<Manager>(new Manager(std::move(engine)));
}

Manager::Manager(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
Manager::~Manager() = default;
std::vector<TargetStatus> Manager::targets() const { return engine_->targets(); }
std::vector<JobStatus> Manager::jobs() const { return engine_->jobs(); }
std::vector<MetadataEntry> Manager::metadata() const { return engine_->metadata(); }
Manager::Statistics Manager::statistics() const { return engine_->statistics(); }
discovery::Discovery::Statistics Manager::discovery() const { return engine_->discovery(); }

}  // namespace narthex::scrape
