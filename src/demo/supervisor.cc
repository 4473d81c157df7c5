#include "demo/supervisor.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <thread>

namespace narthex::demo {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kReadEveryNs = 1000 * kNsPerMs;
constexpr std::chrono::milliseconds kAwaitPoll{50};
constexpr std::chrono::milliseconds kLoadPatience{40'000};  // Its slowest request, and some more.
constexpr std::chrono::milliseconds kApiPatience{15'000};
constexpr std::chrono::milliseconds kStopPatience{20'000};
constexpr std::chrono::milliseconds kFlowPatience{15'000};  // From the API to the exporter.
constexpr int kAttemptsMax = 3;

std::string LastLine(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const size_t line_break = text.rfind('\n');
  return std::string(line_break == std::string_view::npos ? text : text.substr(line_break + 1));
}

double Rate(uint64_t now, uint64_t before, double seconds) {
  return now < before || seconds <= 0 ? 0 : static_cast<double>(now - before) / seconds;
}

uint64_t ServerErrors(const RequestCounts& counts) {
  uint64_t errors = 0;
  for (const auto& [key, count] : counts) {
    if (key.status.starts_with('5')) errors += count;
  }
  return errors;
}

}  // namespace

Supervisor::Supervisor(Settings settings, base::Env env, net::HttpClient& client)
    : settings_(std::move(settings)), env_(env), probe_(settings_, client) {
  collector_.name = "collector";
  collector_.spec = [this](int) { return CollectorSpec(settings_); };
  collector_.is_up = [this] { return probe_.IsCollectorUp(); };
  server_.name = "server";
  server_.spec = [this](int) { return ServerSpec(settings_); };
  server_.is_up = [this] { return probe_.IsServerUp(); };
  api_.name = "api";
  api_.spec = [this](int attempt) { return ApiSpec(settings_, attempt); };
  api_.is_up = [this] { return probe_.IsApiUp(); };
  load_.name = "load";
  load_.spec = [this](int) { return LoadSpec(settings_); };
  load_.is_up = [] { return true; };
  load_.finished = !settings_.load;
}

Supervisor::~Supervisor() {
  // After Stop there is nothing left to end; without it everyone may still put things in order.
  for (Child* child : {&load_, &api_, &collector_, &server_}) End(*child, SIGTERM, kStopPatience);
}

base::Status Supervisor::Start() {
  RETURN_IF_ERROR(CheckPortsFree(settings_));
  RETURN_IF_ERROR(PrepareFiles(settings_, env_.files));
  start_ns_ = env_.clock.MonotonicNs();
  for (Child* child : {&collector_, &server_, &api_}) Launch(*child);
  return {};
}

void Supervisor::Tick() {
  for (Child* child : {&collector_, &server_, &api_}) Look(*child);
  const bool pipeline_up = collector_.up && server_.up && api_.up;
  if (pipeline_up && ready_ns_ == 0) ready_ns_ = env_.clock.MonotonicNs();
  // Load begins when all is ready, so that nothing it sends goes uncounted.
  if (ready_ns_ != 0) Look(load_);
  const int64_t now_ns = env_.clock.MonotonicNs();
  if (now_ns < next_read_ns_) return;
  // Impatient at first: the sooner there is something to see, the better.
  next_read_ns_ = HasAnswers() ? now_ns + kReadEveryNs : now_ns;
  ReadHops();
}

void Supervisor::Look(Child& child) {
  if (child.finished) return;
  if (child.process.has_value() && child.process->Poll().has_value()) {
    child.last_end = *child.process->Poll();
    // Only the load ends by itself.
    child.finished = &child == &load_ && child.process->exited_well();
    child.process.reset();
    child.up = false;
    child.restart_at_ns = env_.clock.MonotonicNs() + child.backoff.Next().count() * kNsPerMs;
    return;
  }
  if (!child.process.has_value()) {
    if (env_.clock.MonotonicNs() >= child.restart_at_ns) Launch(child);
    return;
  }
  if (child.up) return;
  child.up = child.is_up();
  if (!child.up) return;
  child.was_ever_up = true;
  child.backoff.Reset();
}

void Supervisor::Launch(Child& child) {
  base::Result<ChildProcess> process = ChildProcess::Start(child.spec(++child.attempts));
  if (process.has_value()) {
    child.process = std::move(*process);
    return;
  }
  child.last_end = process.error().message;
  child.restart_at_ns = env_.clock.MonotonicNs() + child.backoff.Next().count() * kNsPerMs;
}

void Supervisor::ReadHops() {
  before_ = std::move(now_);
  now_ = {.at_ns = env_.clock.MonotonicNs(), .ledger = before_.ledger};
  if (const auto text = base::ReadFile(env_.files, settings_.LoadReportPath()); text.has_value()) {
    if (auto load = ParseLoadReport(*text); load.has_value()) now_.ledger.load = std::move(*load);
  }
  if (api_.up) {
    if (auto api = probe_.ReadApi(); api.has_value()) now_.ledger.api = std::move(*api);
  }
  if (collector_.up) {
    auto collector = probe_.ReadCollector();
    if (collector.has_value()) now_.ledger.collector = std::move(*collector);
  }
  if (!server_.up) return;
  auto server = probe_.ReadServer();
  if (!server.has_value()) return;  // Not worth waiting for more of its answers.
  now_.ledger.server = std::move(*server);
  answers_.clear();
  for (const ExampleQuery& query : ExampleQueries()) answers_.push_back(probe_.Ask(query));
}

base::Status Supervisor::Health() const {
  for (const Child* child : {&collector_, &server_, &api_}) {
    if (child->was_ever_up || child->process.has_value() || child->attempts < kAttemptsMax) {
      continue;
    }
    const std::string log = settings_.LogPath(child->name);
    return base::Fail(base::Code::kUnavailable, "{} does not start ({}): {} (see {})", child->name,
                      child->last_end, LastLine(base::ReadFile(env_.files, log).value_or("")), log);
  }
  return {};
}

bool Supervisor::IsFinished() const {
  if (!settings_.duration.has_value() || ready_ns_ == 0) return false;
  if (settings_.load) return load_.finished;
  return env_.clock.MonotonicNs() - ready_ns_ >= settings_.duration->count() * kNsPerMs;
}

bool Supervisor::HasAnswers() const {
  return !answers_.empty() && std::ranges::all_of(answers_, [](const QueryAnswer& answer) {
    return answer.error.empty() && !answer.series.empty();
  });
}

double Supervisor::ElapsedS() const {
  return static_cast<double>(env_.clock.MonotonicNs() - start_ns_) / 1e9;
}

HopView Supervisor::ViewOf(const Child& child, std::string detail) const {
  HopView hop{.name = child.name};
  hop.detail = std::move(detail);
  if (child.finished) {
    hop.state = settings_.load ? "finished" : "off";
  } else if (child.up) {
    hop.state = "up";
  } else if (child.process.has_value() || child.attempts == 0) {
    hop.state = "starting";
  } else {
    const int64_t wait_ms = (child.restart_at_ns - env_.clock.MonotonicNs()) / kNsPerMs;
    hop.state = "down";
    hop.detail =
        fmt::format("{}, again in {} s", child.last_end, std::max<int64_t>(wait_ms, 0) / 1000 + 1);
  }
  return hop;
}

View Supervisor::view() const {
  const double seconds = static_cast<double>(now_.at_ns - before_.at_ns) / 1e9;
  const Ledger& now = now_.ledger;
  const Ledger& before = before_.ledger;
  const LoadTotals load = now.load.value_or(LoadTotals());
  const LoadTotals load_before = before.load.value_or(LoadTotals());

  HopView load_hop =
      ViewOf(load_, fmt::format("in flight {}, p95 {:.0f} ms", load.in_flight, load.p95_ms));
  load_hop.rate = Rate(load.sent, load_before.sent, seconds);
  load_hop.unit = "req";
  load_hop.errors = load.failed + load.dropped;

  HopView api = ViewOf(api_, fmt::format("in flight {}", now.api.in_flight));
  api.rate = Rate(TotalOf(now.api.requests), TotalOf(before.api.requests), seconds);
  api.unit = "req";
  api.errors = ServerErrors(now.api.requests);

  HopView collector =
      ViewOf(collector_, fmt::format("{} requests exposed", TotalOf(now.collector.requests)));
  collector.rate = Rate(now.collector.accepted_points, before.collector.accepted_points, seconds);
  collector.unit = "points";
  collector.errors =
      now.collector.refused_points + now.collector.failed_points + now.collector.send_failed_points;

  HopView server =
      ViewOf(server_, fmt::format("newest {:.1f} s old, {} requests",
                                  now.server.newest_sample_age_s, TotalOf(now.server.requests)));
  const double scrape_s = static_cast<double>(settings_.scrape_interval.count()) / 1000;
  server.rate = scrape_s > 0 ? static_cast<double>(now.server.samples_per_scrape) / scrape_s : 0;
  server.unit = "samples";
  server.errors = now.server.targets_down;

  View view;
  view.elapsed_s = ElapsedS();
  for (HopView* hop : {&load_hop, &api, &collector, &server}) {
    if (hop->state == "down") hop->rate = 0;
  }
  view.hops = {std::move(load_hop), std::move(api), std::move(collector), std::move(server)};
  view.links = Links();
  view.answers = answers_;
  return view;
}

std::vector<std::pair<std::string, std::string>> Supervisor::Links() const {
  const Ports& ports = settings_.ports;
  return {{"web UI and PromQL", settings_.Url(ports.server)},
          {"shop API", settings_.Url(ports.api) + "/api/users"},
          {"collector's output", settings_.Url(ports.exporter) + "/metrics"},
          {"collector, OTLP", fmt::format("{} (HTTP), 127.0.0.1:{} (gRPC)",
                                          settings_.Url(ports.otlp_http), ports.otlp_grpc)}};
}

bool Supervisor::Await(std::chrono::milliseconds patience, const std::function<bool()>& is_done) {
  const int64_t deadline_ns = env_.clock.MonotonicNs() + patience.count() * kNsPerMs;
  while (!is_done()) {
    if (env_.clock.MonotonicNs() >= deadline_ns) return false;
    std::this_thread::sleep_for(kAwaitPoll);
  }
  return true;
}

Report Supervisor::Stop(const std::function<void(const std::string&)>& progress) {
  Report report;
  report.run = settings_.run;
  for (const Child* child : {&collector_, &server_, &api_, &load_}) {
    if (child->attempts <= 1) continue;
    report.notes.push_back(fmt::format("{} was started {} times (last end: {})", child->name,
                                       child->attempts, child->last_end));
  }
  progress("stopping load: its last requests come back");
  FinishLoad(report);
  progress("stopping api: it flushes its last export");
  FinishApi(report);
  progress("the server scrapes the collector a last time");
  FinishCollector(report);
  FinishServer(report);
  progress("stopping collector and server");
  End(collector_, SIGTERM, kStopPatience);
  End(server_, SIGTERM, kStopPatience);
  report.elapsed_s = ElapsedS();
  return report;
}

void Supervisor::End(Child& child, int signal, std::chrono::milliseconds patience) {
  if (child.process.has_value()) child.process->End(signal, patience);
  child.process.reset();
  child.up = false;
}

void Supervisor::FinishLoad(Report& report) {
  if (!settings_.load) return;
  End(load_, SIGINT, kLoadPatience);
  const auto text = base::ReadFile(env_.files, settings_.LoadReportPath());
  const auto totals = text.has_value() ? ParseLoadReport(*text)
                                       : base::Result<LoadTotals>(std::unexpected(text.error()));
  if (totals.has_value()) {
    report.ledger.load = *totals;
  } else {
    report.problems.push_back("load: " + totals.error().message);
  }
}

void Supervisor::FinishApi(Report& report) {
  base::Result<ApiTotals> totals;
  Await(kApiPatience, [&] {
    totals = probe_.ReadApi();
    return !totals.has_value() || totals->in_flight == 0;
  });
  if (totals.has_value()) {
    report.ledger.api = *totals;
  } else {
    report.problems.push_back("api: " + totals.error().message);
  }
  End(api_, SIGTERM, kApiPatience);
}

void Supervisor::FinishCollector(Report& report) {
  base::Result<CollectorTotals> totals;
  Await(kFlowPatience, [&] {
    totals = probe_.ReadCollector();
    return !totals.has_value() || (totals->requests == report.ledger.api.requests &&
                                   totals->accepted_points <= totals->sent_points);
  });
  if (totals.has_value()) {
    report.ledger.collector = *totals;
  } else {
    report.problems.push_back("collector: " + totals.error().message);
  }
}

void Supervisor::FinishServer(Report& report) {
  base::Result<ServerTotals> totals;
  Await(2 * settings_.scrape_interval + kFlowPatience, [&] {
    totals = probe_.ReadServer();
    return !totals.has_value() || totals->requests == report.ledger.collector.requests;
  });
  for (const ExampleQuery& query : ExampleQueries()) report.answers.push_back(probe_.Ask(query));
  if (totals.has_value()) {
    report.ledger.server = *totals;
  } else {
    report.problems.push_back("server: " + totals.error().message);
  }
}

}  // namespace narthex::demo
