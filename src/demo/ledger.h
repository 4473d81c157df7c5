#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace narthex::demo {

// How one kind of request ended: what load, API, collector and server all count.
struct RequestKey {
  std::string method;
  std::string endpoint;
  std::string status;  // "200"
  auto operator<=>(const RequestKey&) const = default;
};
using RequestCounts = std::map<RequestKey, uint64_t>;
uint64_t TotalOf(const RequestCounts& counts);

// What each hop says about this run.
struct LoadTotals {
  uint64_t planned = 0, sent = 0, completed = 0, failed = 0, dropped = 0, in_flight = 0;
  double p95_ms = 0;
  RequestCounts requests;
};
struct ApiTotals {
  int64_t in_flight = 0;
  RequestCounts requests;
};
struct CollectorTotals {
  uint64_t accepted_points = 0, refused_points = 0, failed_points = 0;  // Receiver.
  uint64_t sent_points = 0, send_failed_points = 0;                     // Prometheus exporter.
  RequestCounts requests;                                               // As exposed to scrapers.
};
struct ServerTotals {
  uint64_t samples_per_scrape = 0;  // All targets together.
  uint64_t targets_up = 0, targets_down = 0;
  double newest_sample_age_s = 0;
  RequestCounts requests;  // As PromQL returns them.
};

// Conservation along the pipeline: at every hop, in = out + waiting + lost, and what comes out of
// one hop goes into the next. A value.
struct Ledger {
  std::optional<LoadTotals> load;  // Absent when somebody else sends the traffic.
  ApiTotals api;
  CollectorTotals collector;
  ServerTotals server;

  // Where the numbers do not add up, a sentence each; empty when they do.
  std::vector<std::string> Differences() const;
};

}  // namespace narthex::demo
