#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "demo/shop_metrics.h"
#include "net/http_server.h"

namespace narthex::demo {

// The demo's HTTP API: ShopOutcomes over the network, each after its delay (waiting requests hold
// no thread) and each counted by ShopMetrics before the client can see the answer.
// GET /-/counts, which is not counted itself, tells how many requests were answered:
// {"in_flight":0,"requests":[{"method":"GET","endpoint":"/health","status":"200","count":5}]}.
// Thread-safe.
class ShopApi {
 public:
  struct Config {
    std::string listen_address = ":8080";
    uint64_t seed = 1;
    size_t connections_max = 4096;
  };
  // `meter` and `clock` outlive the API.
  static base::Result<std::unique_ptr<ShopApi>> Start(Config config, sdk::Meter& meter,
                                                      base::Clock& clock);

  uint16_t port() const { return server_->port(); }
  // Lets requests in flight finish.
  void Stop(std::chrono::milliseconds drain) { server_->Stop(drain); }

 private:
  using Key = std::tuple<std::string_view, std::string_view, int>;  // Method, endpoint, status.

  ShopApi(std::unique_ptr<net::HttpServer> server, uint64_t seed, sdk::Meter& meter,
          base::Clock& clock);
  void Handle(const net::HttpRequest& request, net::Responder responder);
  void Finish(const ShopOutcome& outcome, int64_t start_ns);
  std::string FormatCounts();

  base::Clock& clock_;
  ShopMetrics metrics_;
  base::Mutex mutex_;
  base::Random random_ GUARDED_BY(mutex_);
  int64_t in_flight_ GUARDED_BY(mutex_) = 0;
  std::map<Key, uint64_t> counts_ GUARDED_BY(mutex_);
  const std::unique_ptr<net::HttpServer> server_;  // Last: its threads use the rest.
};

}  // namespace narthex::demo
