#pragma once

#include <chrono>
#include <string>

#include "demo/queries.h"
#include "demo/readings.h"
#include "demo/settings.h"
#include "net/http_client.h"

namespace narthex::demo {

// Asks the running hops over their public HTTP interfaces. Every question has a time limit of two
// seconds. One thread at a time.
class Probe {
 public:
  // Both outlive the probe.
  Probe(const Settings& settings, net::HttpClient& client) : settings_(settings), client_(client) {}

  bool IsApiUp() { return Get(settings_.ports.api, "/-/counts").has_value(); }
  bool IsCollectorUp() { return Get(settings_.ports.exporter, "/metrics").has_value(); }
  bool IsServerUp() { return Get(settings_.ports.server, "/-/ready").has_value(); }

  base::Result<ApiTotals> ReadApi();
  base::Result<CollectorTotals> ReadCollector();
  base::Result<ServerTotals> ReadServer();
  QueryAnswer Ask(const ExampleQuery& query);

 private:
  // The body of a 200.
  base::Result<std::string> Get(uint16_t port, const std::string& path_and_query);
  base::Result<std::vector<AnswerSeries>> Query(std::string_view promql);

  const Settings& settings_;
  net::HttpClient& client_;
};

}  // namespace narthex::demo
