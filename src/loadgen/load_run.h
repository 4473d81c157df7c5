#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "loadgen/histogram.h"
#include "loadgen/traffic.h"
#include "net/http_client.h"

namespace narthex::loadgen {

struct LoadConfig {
  std::string target;  // "http://127.0.0.1:8080"
  TrafficConfig traffic;
  std::optional<std::chrono::milliseconds> duration;  // Without: until Stop.
  size_t in_flight_max = 2000;                        // More are dropped, and counted.
  std::chrono::milliseconds timeout{30'000};
};

// What became of the requests of one route. planned = sent + dropped, and
// sent = completed + failed + in_flight.
struct RouteStats {
  std::string method;
  std::string endpoint;
  uint64_t planned = 0;
  uint64_t sent = 0;
  uint64_t completed = 0;  // Answered, whatever the status.
  uint64_t failed = 0;     // No answer: refused, broken off, too late.
  uint64_t dropped = 0;    // Not sent, because too many were in flight.
  std::map<int, uint64_t> by_status;
  std::map<std::string, uint64_t> by_failure;  // By code name.
  Histogram response;                          // From the planned start.
  Histogram service;                           // From when it was sent.
};

struct LoadStats {
  std::vector<RouteStats> routes;  // In the order of the configuration.
  Histogram lag;                   // How late requests were sent.
  uint64_t in_flight = 0;
  double elapsed_s = 0;

  RouteStats Total() const;
};

// Sends a traffic plan's requests when they are due, whether or not earlier ones have come back, so
// that a slow target cannot slow the measurement down. One thread sends; answers are counted on the
// client's. Thread-safe.
class LoadRun {
 public:
  // `client` and `clock` outlive the run.
  LoadRun(LoadConfig config, net::HttpClient& client, base::Clock& clock);
  ~LoadRun();

  // kUnavailable when nobody listens at the target. Sends no request.
  base::Status CheckTarget();
  void Start();
  // Sends no more. Works twice, or without Start.
  void Stop();
  // True once everything is sent and every request has its outcome; waits up to `timeout` for it.
  bool WaitUntilDone(std::chrono::milliseconds timeout);
  LoadStats Stats() const;

 private:
  void Run();
  // False when Stop came first.
  bool AwaitUntil(int64_t due_ns);
  // Counts a request as sent, or as dropped (false).
  bool Admit(size_t route);
  void Send(PlannedRequest planned);
  void Finish(size_t route, int64_t planned_ns, int64_t sent_ns,
              const base::Result<net::HttpClientResponse>& response);

  const LoadConfig config_;
  net::HttpClient& client_;
  base::Clock& clock_;
  std::thread thread_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  LoadStats stats_ GUARDED_BY(mutex_);
  int64_t start_ns_ GUARDED_BY(mutex_) = 0;
  int64_t end_ns_ GUARDED_BY(mutex_) = 0;  // When the last request was planned; 0 before.
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace narthex::loadgen
