#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "config/reader.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "sdk/meter_provider.h"
#include "telemetry/periodic_reader.h"

namespace narthex::collector {

// `service.telemetry`. A value.
struct SelfTelemetryConfig {
  base::LogLevel log_level = base::LogLevel::kInfo;
  base::LogFormat log_format = base::LogFormat::kLogfmt;
  // Where /metrics is served; none for level "none".
  std::optional<std::string> metrics_address = "localhost:8888";
  bool with_suffixes = false;  // `_total` and units in the names.
  // Where the same goes by OTLP, one entry per reader.
  struct Periodic {
    telemetry::PeriodicReader::Config rhythm;
    bool is_grpc = false;
    std::string endpoint;  // A URL; for HTTP the whole of it.
    net::Headers headers;
    bool gzip = false;
    config::TlsClientConfig tls;
  };
  std::vector<Periodic> periodic;
};

// `node`: the value of service.telemetry, or null.
SelfTelemetryConfig ReadSelfTelemetry(const config::Node* node, config::Diagnostics& diagnostics,
                                      base::Logger& logger);

// What the collector tells about itself: instruments for its components, the process's own figures,
// a page for Prometheus, and readers that send it on. Thread-safe.
class SelfTelemetry {
 public:
  SelfTelemetry(SelfTelemetryConfig config, base::Env env, base::Logger& logger);
  ~SelfTelemetry() { Stop(); }

  sdk::Meter& meter() { return *meter_; }
  // Another one with every start.
  const std::string& instance_id() const { return instance_id_; }

  base::Status Start();
  void Stop();
  // 0 where no page is served.
  uint16_t port() const { return server_ != nullptr ? server_->port() : 0; }
  std::string Page();

 private:
  void ObserveProcess();
  base::Status StartPeriodic(const SelfTelemetryConfig::Periodic& periodic);

  const SelfTelemetryConfig config_;
  const base::Env env_;
  base::Logger& logger_;
  const int64_t started_ns_;
  sdk::MeterProvider provider_;
  const std::shared_ptr<sdk::Meter> meter_;
  const std::string instance_id_;
  std::string labels_;  // Of every series.
  std::vector<sdk::Meter::Int64Observable> int_observables_;
  std::vector<sdk::Meter::DoubleObservable> double_observables_;
  base::Mutex mutex_;
  sdk::MetricBatch batch_ GUARDED_BY(mutex_);
  std::unique_ptr<net::HttpServer> server_;
  std::vector<std::unique_ptr<telemetry::PeriodicReader>> periodic_;
};

}  // namespace narthex::collector
