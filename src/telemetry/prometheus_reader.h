#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "net/http_server.h"
#include "sdk/meter_provider.h"

namespace narthex::telemetry {

// Serves a provider's metrics at /metrics to whoever scrapes them; each scrape is a collection.
// OpenMetrics for those who ask for it. Thread-safe.
// Source: OpenTelemetry specification, "Prometheus Exporter".
class PrometheusReader {
 public:
  struct Config {
    std::string listen_address = "localhost:9464";
    size_t reader = 0;  // The number of this reader in the provider's configuration; cumulative.
    bool with_suffixes = true;
    bool with_scope = true;
    bool with_target_info = true;
  };

  // The provider outlives the reader. Errors say what to do about a port in use.
  static base::Result<std::unique_ptr<PrometheusReader>> Start(sdk::MeterProvider& provider,
                                                               Config config);
  ~PrometheusReader();

  uint16_t port() const { return server_->port(); }
  // Lets scrapes under way finish for a second. Works twice.
  void Shutdown();

 private:
  PrometheusReader(sdk::MeterProvider& provider, Config config,
                   std::unique_ptr<net::HttpServer> server);
  net::HttpResponse Answer(const net::HttpRequest& request);

  sdk::MeterProvider& provider_;
  const Config config_;
  const std::unique_ptr<net::HttpServer> server_;

  base::Mutex mutex_;
  sdk::MetricBatch batch_ GUARDED_BY(mutex_);
};

}  // namespace narthex::telemetry
