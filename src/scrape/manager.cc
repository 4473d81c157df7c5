#include "scrape/manager.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "net/http_session.h"
#include "scrape/failure_log.h"

namespace narthex::scrape {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// A scrape that began this close to its schedule is stamped with the schedule, which makes the
// timestamps regular and the chunks small. Source: Prometheus, scrape.timestamp-tolerance.
constexpr int64_t kToleranceMs = 2;

// Changes of discovery that come this close together are one.
constexpr int64_t kSettleMs = 50;

// Numbers of a job and of a target, which both keep for life.
using TargetKey = std::pair<uint64_t, uint64_t>;

struct Completion {
  TargetKey key;
  base::Result<net::HttpClientResponse> response;
};

struct PreparedJob {
  std::shared_ptr<const JobConfig> config;
  std::shared_ptr<net::HttpSession> session;
  std::shared_ptr<FailureLog> failures;  // Null: nothing is logged.
};

}  // namespace

class Manager::Prepared {
 public:
  std::vector<PreparedJob> jobs;
  uint64_t offset_seed = 0;
};

class Manager::Engine {
 public:
  Engine(base::Env env, base::Logger& log, storage::Appendable& storage, Options options)
      : env_(env), log_(log), storage_(storage), options_(std::move(options)) {}

  base::Status Start() {
    ASSIGN_OR_RETURN(const PreparedPtr prepared, Prepare(options_.jobs, options_.offset_seed));
    TakeOver(*prepared);
    thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
    return {};
  }

  base::Result<PreparedPtr> Prepare(const std::vector<JobConfig>& jobs, uint64_t offset_seed) {
    auto prepared = std::make_shared<Prepared>();
    prepared->offset_seed = offset_seed;
    std::map<std::string, std::shared_ptr<FailureLog>> logs = {{"", nullptr}};
    for (const JobConfig& job : jobs) {
      RETURN_IF_ERROR(CheckTargets(job));
      base::Result<std::shared_ptr<net::HttpSession>> session =
          net::HttpSession::Create(job.client, env_, log_, client_);
      if (!session) return std::unexpected(std::move(session).error().In("job " + job.name));
      const auto [log, is_new] = logs.try_emplace(job.failure_log_file);
      if (is_new) {
        ASSIGN_OR_RETURN(log->second, FailureLog::Open(env_.files, job.failure_log_file));
      }
      prepared->jobs.push_back(
          {std::make_shared<const JobConfig>(job), *std::move(session), log->second});
    }
    return prepared;
  }

  void Apply(PreparedPtr prepared) {
    base::MutexLock lock(mutex_);
    while (prepared_ != nullptr) wake_.Wait(mutex_);  // Another is first.
    prepared_ = prepared;
    wake_.NotifyAll();
    while (prepared_ == prepared) wake_.Wait(mutex_);
  }

  ~Engine() {
    if (thread_.joinable()) {
      thread_.request_stop();
      Wake();
      thread_.join();
    }
    std::shared_ptr<discovery::Discovery> discovery;
    {
      base::MutexLock lock(mutex_);
      discovery.swap(discovery_);
    }
  }

  std::vector<TargetStatus> targets() const {
    base::MutexLock lock(mutex_);
    std::vector<TargetStatus> all;
    ForEachState([&](const State& state) {
      if (!state.is_gone) all.push_back(state.status);
    });
    return all;
  }

  std::vector<JobStatus> jobs() const {
    base::MutexLock lock(mutex_);
    std::vector<JobStatus> all;
    for (const Job& job : jobs_) {
      JobStatus& status = all.emplace_back(job.status);
      for (auto at = states_.lower_bound({job.number, 0});
           at != states_.end() && at->first.first == job.number; ++at) {
        for (const auto& [family, known] : at->second->metadata) {
          ++status.metadata_families;
          status.metadata_bytes +=
              family.size() + known.metadata.help.size() + known.metadata.unit.size();
        }
      }
    }
    return all;
  }

  std::vector<MetadataEntry> metadata() const {
    base::MutexLock lock(mutex_);
    std::vector<MetadataEntry> all;
    ForEachState([&](const State& state) {
      for (const auto& [family, entry] : state.metadata) {
        all.push_back({family, entry.metadata, state.status.target.labels});
      }
    });
    return all;
  }

  Statistics statistics() const {
    base::MutexLock lock(mutex_);
    return statistics_;
  }

  discovery::Discovery::Statistics discovery() const {
    std::shared_ptr<discovery::Discovery> discovery;
    {
      base::MutexLock lock(mutex_);
      discovery = discovery_;
    }
    return discovery == nullptr ? discovery::Discovery::Statistics() : discovery->statistics();
  }

 private:
  using MetadataMap = std::map<std::string, Loop::FamilyMetadata, std::less<>>;

  struct State {
    State(const std::shared_ptr<const JobConfig>& job, const Target& target,
          storage::Appendable& storage)
        : loop(job, target, storage), status{.job = job->name, .target = target} {}
    Loop loop;
    bool is_under_way = false;
    bool has_new_rhythm = false;  // Since the scrape under way began.
    int64_t schedule_ms = 0;      // Of the scrape under way or next.
    int64_t began_wall_ms = 0;
    int64_t began_ns = 0;
    // Under the engine's lock: whether discovery has lost it, and copies for others.
    bool is_gone = false;
    TargetStatus status;
    MetadataMap metadata;
    uint64_t metadata_version = 0;
  };
  // Number, configuration and connection change by the engine's thread alone, under the lock.
  struct Job {
    uint64_t number = 0;
    std::shared_ptr<const JobConfig> config;
    std::shared_ptr<net::HttpSession> session;
    std::shared_ptr<FailureLog> failures;
    JobStatus status;
    std::string error;  // Why none of its targets may be scraped; empty: they may.
  };
  struct Due {
    int64_t wall_ms;
    TargetKey key;
    bool operator>(const Due& other) const { return wall_ms > other.wall_ms; }
  };

  // By job in the order of the configuration, and by target within.
  template <class Visit>
  void ForEachState(Visit visit) const REQUIRES_LOCK(mutex_) {
    for (const Job& job : jobs_) {
      for (auto at = states_.lower_bound({job.number, 0});
           at != states_.end() && at->first.first == job.number; ++at) {
        visit(*at->second);
      }
    }
  }

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

  // When what was discovered is taken over; none when there is nothing.
  std::optional<int64_t> DiscoveryDueNs() REQUIRES_LOCK(mutex_) {
    if (!is_discovered_) return std::nullopt;
    const int64_t due_ns = discovered_ns_ + kSettleMs * kNsPerMs;
    if (!taken_over_ns_) return due_ns;
    return std::max(due_ns, *taken_over_ns_ + options_.discovery_interval_ms * kNsPerMs);
  }

  void TakeOverDiscovered() {
    {
      base::MutexLock lock(mutex_);
      const int64_t now_ns = env_.clock.MonotonicNs();
      const std::optional<int64_t> due_ns = DiscoveryDueNs();
      if (!due_ns || *due_ns > now_ns) return;
      // As often as upstream would have found its scraper busy.
      const int64_t interval_ns = std::max<int64_t>(options_.discovery_interval_ms, 1) * kNsPerMs;
      statistics_.updates_delayed += static_cast<uint64_t>((now_ns - *due_ns) / interval_ns);
      is_discovered_ = false;
      taken_over_ns_ = now_ns;
      statistics_.discovered_ms = env_.clock.WallMs();
    }
    for (const size_t job : discovery_->TakeChanged()) Sync(jobs_[job]);
  }

  // What Apply waits for.
  void TakeOverPrepared() {
    PreparedPtr prepared;
    {
      base::MutexLock lock(mutex_);
      prepared = prepared_;
    }
    if (prepared == nullptr) return;
    TakeOver(*prepared);
    base::MutexLock lock(mutex_);
    prepared_.reset();
    wake_.NotifyAll();
  }

  void TakeOver(const Prepared& prepared) {
    offset_seed_ = prepared.offset_seed;
    std::vector<Job> before;
    std::vector<Job*> changed;
    {
      base::MutexLock lock(mutex_);
      before.swap(jobs_);
      jobs_.reserve(prepared.jobs.size());
      for (const PreparedJob& next : prepared.jobs) {
        const auto known = std::ranges::find_if(before, [&](const Job& job) {
          return job.config != nullptr && job.config->name == next.config->name;
        });
        Job& job = jobs_.emplace_back();
        if (known == before.end()) {
          ++statistics_.jobs_made;
          job.number = ++last_number_;
          job.status.name = next.config->name;
          job.session = next.session;
        } else {
          job = std::move(*known);
          known->config = nullptr;
        }
        job.failures = next.failures;
        if (job.config != nullptr) {
          if (*job.config == *next.config) continue;
          // Connections and tokens serve on where they can.
          if (job.config->client != next.config->client) job.session = next.session;
          ++statistics_.jobs_reloaded;
        }
        job.config = next.config;
        changed.push_back(&job);
      }
    }
    ReloadDiscovery();
    for (Job* const job : changed) Sync(*job);
    for (const Job& job : before) {
      if (job.config == nullptr) continue;
      for (const TargetKey& key : KeysOf(job)) RemoveTarget(key);
    }
  }

  void ReloadDiscovery() {
    std::vector<discovery::Discovery::Pool> pools;
    bool discovers = false;
    for (const Job& job : jobs_) {
      pools.push_back({job.config->name, job.config->discovery});
      discovers |= !job.config->discovery.empty();
    }
    if (discovery_ != nullptr) {
      discovery_->Reload(pools);
      // Something may have been waiting to be taken over.
      return NoteDiscovered();
    }
    if (!discovers) return;
    auto discovery = std::make_shared<discovery::Discovery>(
        env_, log_,
        discovery::Discovery::Options{.pools = std::move(pools),
                                      .on_change = [this] { NoteDiscovered(); },
                                      .dns = options_.dns,
                                      .http_bytes_max = options_.http_sd_bytes_max});
    base::MutexLock lock(mutex_);
    discovery_ = std::move(discovery);
  }

  std::vector<TargetKey> KeysOf(const Job& job) const {
    std::vector<TargetKey> keys;
    for (auto at = states_.lower_bound({job.number, 0});
         at != states_.end() && at->first.first == job.number; ++at) {
      if (!at->second->is_gone) keys.push_back(at->first);
    }
    return keys;
  }

  // Makes the targets of a job those that it has now. What is there already goes on as it was.
  void Sync(Job& job) {
    const int64_t began_ns = env_.clock.MonotonicNs();
    const size_t pool = static_cast<size_t>(&job - jobs_.data());
    const auto groups =
        discovery_ == nullptr ? std::vector<discovery::TargetGroup>() : discovery_->groups(pool);
    Targets targets = TargetsOf(*job.config, groups);
    for (const std::string& failure : targets.failed) {
      log_.Error("scrape", "a discovered target cannot be scraped", {{"err", failure}});
    }
    std::map<std::string, TargetKey> present;
    for (const TargetKey& key : KeysOf(job)) {
      present.emplace(IdentityOf(states_.at(key)->loop.target()), key);
    }
    for (const Target& target : targets.active) {
      const auto known = present.find(IdentityOf(target));
      if (known == present.end()) {
        AddTarget(job, target);
        continue;
      }
      Reconfigure(job, target, known->second);
      present.erase(known);
    }
    const bool is_complete = discovery_ == nullptr || discovery_->has_looked(pool);
    for (const auto& [identity, key] : present) {
      if (is_complete) {
        RemoveTarget(key);
      } else {
        Reconfigure(job, states_.at(key)->status.target, key);
      }
    }
    const uint64_t limit = job.config->limits.targets;
    const size_t count = KeysOf(job).size();
    const bool is_over = limit != 0 && count > limit;
    job.error.clear();
    if (is_over) {
      job.error =
          fmt::format("target_limit exceeded (number of targets: {}, limit: {})", count, limit);
    }
    base::MutexLock lock(mutex_);
    job.status.target_limit = limit;
    job.status.over_limit += is_over ? 1 : 0;
    job.status.dropped = std::move(targets.dropped);
    job.status.found = targets.found;
    job.status.failed += targets.failed.size();
    ++job.status.syncs;
    job.status.sync_seconds += static_cast<double>(env_.clock.MonotonicNs() - began_ns) / 1e9;
  }

  static std::string IdentityOf(const Target& target) {
    return fmt::format("{}\n{}", target.url, target.labels.bytes());
  }

  void AddTarget(const Job& job, const Target& target) {
    auto state = std::make_unique<State>(job.config, target, storage_);
    const TargetKey key{job.number, ++last_number_};
    state->schedule_ms = NextOf(target);
    if (options_.first_scrape_at_once) state->schedule_ms -= target.interval_ms;
    due_.push({state->schedule_ms, key});
    base::MutexLock lock(mutex_);
    states_.emplace(key, std::move(state));
  }

  // When a target that begins now is due.
  int64_t NextOf(const Target& target) const {
    const int64_t now_ms = env_.clock.WallMs();
    const int64_t past = (now_ms - OffsetOf(target, offset_seed_)) % target.interval_ms;
    return now_ms - past + target.interval_ms;
  }

  // `target` is by value: it may be the one that it replaces.
  void Reconfigure(const Job& job, Target target, const TargetKey& key) {
    State& state = *states_.at(key);
    if (state.loop.target().interval_ms != target.interval_ms) {
      if (state.is_under_way) {
        state.has_new_rhythm = true;
      } else {
        state.schedule_ms = NextOf(target);
        due_.push({state.schedule_ms, key});
      }
    }
    state.loop.Reconfigure(job.config, target);
    base::MutexLock lock(mutex_);
    state.status.target = std::move(target);
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
        if (completions_.empty() && prepared_ == nullptr && !stop.stop_requested()) {
          // Bounded, so that a step of the wall clock is noticed.
          int64_t wait_ms = 1000;
          if (!due_.empty()) {
            wait_ms = std::clamp<int64_t>(due_.top().wall_ms - env_.clock.WallMs(), 0, wait_ms);
          }
          if (const auto due_ns = DiscoveryDueNs()) {
            const int64_t left_ns = *due_ns - env_.clock.MonotonicNs();
            wait_ms = std::clamp<int64_t>((left_ns + kNsPerMs - 1) / kNsPerMs, 0, wait_ms);
          }
          if (wait_ms > 0) wake_.WaitFor(mutex_, std::chrono::milliseconds(wait_ms));
        }
        done.swap(completions_);
      }
      for (Completion& completion : done) Finish(completion);
      TakeOverPrepared();
      TakeOverDiscovered();
      const int64_t now_ms = env_.clock.WallMs();
      while (!due_.empty() && due_.top().wall_ms <= now_ms) {
        const auto [at_ms, key] = due_.top();
        due_.pop();
        const auto found = states_.find(key);
        if (found == states_.end()) continue;
        // Its rhythm may have become another meanwhile.
        State& state = *found->second;
        if (!state.is_under_way && state.schedule_ms == at_ms) Begin(key, state);
      }
    }
  }

  // REQUIRES: a target that is not gone.
  Job& JobOf(const TargetKey& key) { return *std::ranges::find(jobs_, key.first, &Job::number); }

  void Begin(const TargetKey& key, State& state) {
    state.is_under_way = true;
    state.began_wall_ms = env_.clock.WallMs();
    const int64_t before_ns = std::exchange(state.began_ns, env_.clock.MonotonicNs());
    const Job& job = JobOf(key);
    {
      base::MutexLock lock(mutex_);
      if (before_ns != 0) {
        auto& distances = statistics_.distances[state.loop.target().interval_ms];
        ++distances.count;
        distances.seconds += static_cast<double>(state.began_ns - before_ns) / 1e9;
      }
      if (!job.error.empty()) {
        completions_.push_back({key, base::Fail(base::Code::kFailedPrecondition, "{}", job.error)});
        return;
      }
    }
    job.session->Fetch(state.loop.Request(),
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
    Note(JobOf(completion.key), state, outcome);
    // Slots that passed while this scrape ran are skipped; so are those of a wall clock that
    // jumped.
    const int64_t now_ms = env_.clock.WallMs();
    state.schedule_ms += interval;
    if (std::exchange(state.has_new_rhythm, false)) {
      state.schedule_ms = NextOf(state.loop.target());
    } else if (state.schedule_ms <= now_ms - interval || state.schedule_ms > now_ms + interval) {
      const int64_t phase = state.schedule_ms % interval;
      state.schedule_ms = now_ms - now_ms % interval + phase;
      if (state.schedule_ms <= now_ms) state.schedule_ms += interval;
    }
    due_.push({state.schedule_ms, completion.key});
  }

  void Note(const Job& job, State& state, const Outcome& outcome) {
    bool is_unlogged = false;
    if (!outcome.status && job.failures != nullptr) {
      is_unlogged = !job.failures->Write(job.config->name, state.loop.target().url,
                                         outcome.status.error().message, env_.clock.WallMs());
    }
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
    statistics_.failures_unlogged += is_unlogged ? 1 : 0;
    switch (outcome.exceeded) {
      case ExceededLimit::kNone:
        break;
      case ExceededLimit::kBodySize:
        ++statistics_.over_body_size;
        break;
      case ExceededLimit::kSamples:
        ++statistics_.over_samples;
        break;
      case ExceededLimit::kLabels:
        ++statistics_.over_labels;
        break;
      case ExceededLimit::kHistogramBuckets:
        ++statistics_.over_histogram_buckets;
        break;
    }
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
  // Changed by the engine's thread alone, under the lock.
  std::vector<Job> jobs_;                            // As they are configured.
  std::shared_ptr<discovery::Discovery> discovery_;  // Null without any so far.
  std::map<TargetKey, std::unique_ptr<State>> states_;

  // Of the engine's thread.
  uint64_t offset_seed_ = 0;
  uint64_t last_number_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;

  mutable base::Mutex mutex_;
  base::CondVar wake_;
  std::deque<Completion> completions_ GUARDED_BY(mutex_);
  PreparedPtr prepared_ GUARDED_BY(mutex_);        // Until it is taken over.
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

base::Result<Manager::PreparedPtr> Manager::Prepare(const std::vector<JobConfig>& jobs,
                                                    uint64_t offset_seed) {
  return engine_->Prepare(jobs, offset_seed);
}

void Manager::Apply(PreparedPtr prepared) { engine_->Apply(std::move(prepared)); }

std::vector<TargetStatus> Manager::targets() const { return engine_->targets(); }
std::vector<JobStatus> Manager::jobs() const { return engine_->jobs(); }
std::vector<MetadataEntry> Manager::metadata() const { return engine_->metadata(); }
Manager::Statistics Manager::statistics() const { return engine_->statistics(); }
discovery::Discovery::Statistics Manager::discovery() const { return engine_->discovery(); }

}  // namespace narthex::scrape
