#pragma once

#include <memory>

#include "base/env.h"
#include "base/log.h"
#include "sdk/meter_provider.h"
#include "telemetry/environment.h"
#include "telemetry/periodic_reader.h"

namespace narthex::telemetry {

class PrometheusReader;

// A program's metrics, from instruments to the wire: provider, and exporter with its periodic
// reader or a page for Prometheus, as the settings say. What keeps it from exporting is logged;
// measuring works all the same. Thread-safe.
//
//   telemetry::Metrics metrics(telemetry::ReadSettings(telemetry::ProcessEnvironment(), logger),
//                              base::SystemClock(), logger);
//   auto requests = metrics.provider().GetMeter("api")->CreateUInt64Counter("http.requests");
class Metrics {
 public:
  Metrics(Settings settings, const base::Clock& clock, base::Logger& logger,
          std::vector<sdk::View> views = {});
  ~Metrics();

  sdk::MeterProvider& provider() { return provider_; }
  // Both do nothing where nothing is sent: the settings switch exporting off, or others scrape.
  base::Status ForceFlush() { return reader_ != nullptr ? reader_->ForceFlush() : base::Status(); }
  base::Status Shutdown();

 private:
  void ServePrometheus(const Settings& settings, base::Logger& logger);

  sdk::MeterProvider provider_;
  std::unique_ptr<PeriodicReader> reader_;  // At most one of the two.
  std::unique_ptr<PrometheusReader> page_;
};

}  // namespace narthex::telemetry
