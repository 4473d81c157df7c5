#include "scrape/manager.h"

#include <algorithm>
#include <deque>
#include <queue>
#include <thread>

#include "base/mutex.h"

namespace narthex::scrape {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// A scrape that began this close to its schedule is stamped with the schedule, which makes the
// timestamps regular and the chunks small. Source: Prometheus, scrape.timestamp-tolerance.
constexpr int64_t kToleranceMs = 2;

struct Completion {
  size_t index;
  base::Result<net::HttpClientResponse> response;
};

}  // namespace

class Manager::Engine {
 public:
  Engine(base::Env env, base::Logger& log, storage::Appendable& storage, Options options)
      : env_(env), log_(log), storage_(storage), options_(std::move(options)) {}

  base::Status Start() {
    for (const JobConfig& job : options_.jobs) {
      ASSIGN_OR_RETURN(Targets targets, TargetsOf(job));
      jobs_.push_back({job.name, std::move(targets.dropped)});
      std::shared_ptr<net::TlsClient> tls;
      if (job.tls.has_value()) {
        base::Result<std::shared_ptr<net::TlsClient>> made =
            net::TlsClient::Create(*job.tls, env_, log_);
        if (!made) return std::unexpected(std::move(made).error().In("job " + job.name));
        tls = *std::move(made);
      }
      for (Target& target : targets.active) {
        states_.push_back(std::make_unique<State>(job, target, tls, storage_));
      }
    }
    const int64_t now_ms = env_.clock.WallMs();
    for (size_t i = 0; i < states_.size(); ++i) {
      const Target& target = states_[i]->loop.target();
      const int64_t offset = OffsetOf(target, options_.offset_seed);
      const int64_t past = (now_ms - offset) % target.interval_ms;
      states_[i]->schedule_ms = now_ms - past + target.interval_ms;
      if (options_.first_scrape_at_once) states_[i]->schedule_ms -= target.interval_ms;
      due_.push({states_[i]->schedule_ms, i});
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
  }

  std::vector<TargetStatus> targets() const {
    base::MutexLock lock(mutex_);
    std::vector<TargetStatus> all;
    for (const auto& state : states_) all.push_back(state->status);
    return all;
  }

  std::vector<JobStatus> jobs() const { return jobs_; }

  std::vector<MetadataEntry> metadata() const {
    base::MutexLock lock(mutex_);
    std::vector<MetadataEntry> all;
    for (const auto& state : states_) {
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

 private:
  using MetadataMap = std::map<std::string, Loop::FamilyMetadata, std::less<>>;

  struct State {
    State(const JobConfig& job, const Target& target, std::shared_ptr<net::TlsClient> client_tls,
          storage::Appendable& storage)
        : loop(job, target, storage),
          tls(std::move(client_tls)),
          status{.job = job.name, .target = target} {}
    Loop loop;
    const std::shared_ptr<net::TlsClient> tls;
    int64_t schedule_ms = 0;  // Of the scrape under way or next.
    int64_t began_wall_ms = 0;
    int64_t began_ns = 0;
    // Copies for others, under the engine's lock.
    TargetStatus status;
    MetadataMap metadata;
    uint64_t metadata_version = 0;
  };
  struct Due {
    int64_t wall_ms;
    size_t index;
    bool operator>(const Due& other) const { return wall_ms > other.wall_ms; }
  };

  void Wake() {
    base::MutexLock lock(mutex_);
    wake_.NotifyAll();
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
          if (wait_ms > 0) wake_.WaitFor(mutex_, std::chrono::milliseconds(wait_ms));
        }
        done.swap(completions_);
      }
      for (Completion& completion : done) Finish(completion);
      const int64_t now_ms = env_.clock.WallMs();
      while (!due_.empty() && due_.top().wall_ms <= now_ms) {
        const size_t index = due_.top().index;
        due_.pop();
        Begin(index);
      }
    }
  }

  void Begin(size_t index) {
    State& state = *states_[index];
    state.began_wall_ms = env_.clock.WallMs();
    state.began_ns = env_.clock.MonotonicNs();
    net::HttpClientRequest request = state.loop.Request();
    request.tls = state.tls;
    client_.Fetch(std::move(request),
                  [this, index](base::Result<net::HttpClientResponse> response) {
                    base::MutexLock lock(mutex_);
                    completions_.push_back({index, std::move(response)});
                    wake_.NotifyAll();
                  });
  }

  void Finish(Completion& completion) {
    State& state = *states_[completion.index];
    const int64_t interval = state.loop.target().interval_ms;
    const int64_t tolerance = std::min(kToleranceMs, interval / 100);
    const int64_t late = state.began_wall_ms - state.schedule_ms;
    const int64_t time = std::abs(late) <= tolerance ? state.schedule_ms : state.began_wall_ms;
    const double seconds =
        static_cast<double>(env_.clock.MonotonicNs() - state.began_ns) / (1000.0 * kNsPerMs);
    const Outcome outcome = state.loop.Finish(completion.response, time, seconds);
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
    due_.push({state.schedule_ms, completion.index});
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
  std::vector<JobStatus> jobs_;
  std::vector<std::unique_ptr<State>> states_;

  // Of the engine's thread.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;

  mutable base::Mutex mutex_;
  base::CondVar wake_;
  std::deque<Completion> completions_ GUARDED_BY(mutex_);
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

}  // namespace narthex::scrape
