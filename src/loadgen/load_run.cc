#include "loadgen/load_run.h"

#include <algorithm>

#include "base/check.h"

namespace narthex::loadgen {
namespace {

constexpr int64_t kNsPerUs = 1000;
constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

RouteStats LoadStats::Total() const {
  RouteStats total;
  for (const RouteStats& route : routes) {
    total.planned += route.planned;
    total.sent += route.sent;
    total.completed += route.completed;
    total.failed += route.failed;
    total.dropped += route.dropped;
    for (const auto& [status, count] : route.by_status) total.by_status[status] += count;
    for (const auto& [reason, count] : route.by_failure) total.by_failure[reason] += count;
    total.response.Merge(route.response);
    total.service.Merge(route.service);
  }
  return total;
}

LoadRun::LoadRun(LoadConfig config, net::HttpClient& client, base::Clock& clock)
    : config_(std::move(config)), client_(client), clock_(clock) {
  for (const RouteSpec& route : config_.traffic.routes) {
    RouteStats stats;
    stats.method = route.method;
    stats.endpoint = route.endpoint;
    stats_.routes.push_back(std::move(stats));
  }
}

LoadRun::~LoadRun() {
  Stop();
  if (thread_.joinable()) thread_.join();
  // Callbacks point here until every request has its outcome.
  while (!WaitUntilDone(config_.timeout)) {
  }
}

base::Status LoadRun::CheckTarget() {
  net::HttpClientRequest request;
  request.url = config_.target;
  request.timeout = std::min(config_.timeout, std::chrono::milliseconds(5000));
  request.connect_only = true;
  ASSIGN_OR_RETURN([[maybe_unused]] const auto response, client_.FetchAndWait(request));
  return {};
}

void LoadRun::Start() {
  CHECK(!thread_.joinable());
  {
    base::MutexLock lock(mutex_);
    start_ns_ = clock_.MonotonicNs();
  }
  thread_ = std::thread([this] { Run(); });
}

void LoadRun::Stop() {
  base::MutexLock lock(mutex_);
  stopping_ = true;
  if (!thread_.joinable() && end_ns_ == 0) end_ns_ = std::max<int64_t>(start_ns_, 1);
  changed_.NotifyAll();
}

bool LoadRun::WaitUntilDone(std::chrono::milliseconds timeout) {
  const int64_t deadline = clock_.MonotonicNs() + timeout.count() * kNsPerMs;
  base::MutexLock lock(mutex_);
  while (end_ns_ == 0 || stats_.in_flight > 0) {
    const int64_t left = deadline - clock_.MonotonicNs();
    if (left <= 0) return false;
    changed_.WaitFor(mutex_, std::chrono::nanoseconds(left));
  }
  return true;
}

LoadStats LoadRun::Stats() const {
  base::MutexLock lock(mutex_);
  LoadStats stats = stats_;
  const int64_t end = end_ns_ != 0 ? end_ns_ : clock_.MonotonicNs();
  stats.elapsed_s = start_ns_ == 0 ? 0 : static_cast<double>(end - start_ns_) / 1e9;
  return stats;
}

void LoadRun::Run() {
  TrafficPlan plan(config_.traffic);
  int64_t start_ns = 0;
  {
    base::MutexLock lock(mutex_);
    start_ns = start_ns_;
  }
  const int64_t duration_ns =
      config_.duration.has_value() ? config_.duration->count() * kNsPerMs : INT64_MAX;
  for (PlannedRequest planned = plan.Next(); planned.at_ns < duration_ns; planned = plan.Next()) {
    planned.at_ns += start_ns;
    if (!AwaitUntil(planned.at_ns)) break;
    if (Admit(planned.route)) Send(std::move(planned));
  }
  if (config_.duration.has_value()) AwaitUntil(start_ns + duration_ns);
  base::MutexLock lock(mutex_);
  end_ns_ = clock_.MonotonicNs();
  changed_.NotifyAll();
}

bool LoadRun::AwaitUntil(int64_t due_ns) {
  base::MutexLock lock(mutex_);
  while (!stopping_) {
    const int64_t left = due_ns - clock_.MonotonicNs();
    if (left <= 0) return true;
    changed_.WaitFor(mutex_, std::chrono::nanoseconds(left));
  }
  return false;
}

bool LoadRun::Admit(size_t route_index) {
  base::MutexLock lock(mutex_);
  RouteStats& route = stats_.routes[route_index];
  ++route.planned;
  if (stats_.in_flight >= config_.in_flight_max) {
    ++route.dropped;
    return false;
  }
  ++route.sent;
  ++stats_.in_flight;
  return true;
}

void LoadRun::Send(PlannedRequest planned) {
  const RouteSpec& route = config_.traffic.routes[planned.route];
  net::HttpClientRequest request;
  request.method = route.method;
  request.url = config_.target + route.endpoint;
  request.body = std::move(planned.body);
  request.timeout = config_.timeout;
  if (!request.body.empty()) request.headers.Add("Content-Type", "application/json");
  const int64_t sent_ns = clock_.MonotonicNs();
  client_.Fetch(std::move(request),
                [this, index = planned.route, planned_ns = planned.at_ns,
                 sent_ns](const base::Result<net::HttpClientResponse>& response) {
                  Finish(index, planned_ns, sent_ns, response);
                });
}

void LoadRun::Finish(size_t route_index, int64_t planned_ns, int64_t sent_ns,
                     const base::Result<net::HttpClientResponse>& response) {
  const int64_t now_ns = clock_.MonotonicNs();
  base::MutexLock lock(mutex_);
  RouteStats& route = stats_.routes[route_index];
  stats_.lag.Record((sent_ns - planned_ns) / kNsPerUs);
  if (response.has_value()) {
    ++route.completed;
    ++route.by_status[response->status];
    route.response.Record((now_ns - planned_ns) / kNsPerUs);
    route.service.Record((now_ns - sent_ns) / kNsPerUs);
  } else {
    ++route.failed;
    ++route.by_failure[std::string(base::CodeName(response.error().code))];
  }
  --stats_.in_flight;
  if (stats_.in_flight == 0) changed_.NotifyAll();
}

}  // namespace narthex::loadgen
