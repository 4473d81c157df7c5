#pragma once

#include <memory>

#include "base/env.h"
#include "base/log.h"
#include "sdk/meter_provider.h"
#include "telemetry/environment.h"
#include "telemetry/periodic_reader.h"

namespace narthex::telemetry {

// A program's metrics, from instruments to the wire: provider, OTLP exporter and periodic reader as
// the settings say. Thread-safe.
//
//   telemetry::Metrics metrics(telemetry::ReadSettings(telemetry::ProcessEnvironment(), logger),
//                              base::SystemClock(), logger);
//   auto requests = metrics.provider().GetMeter("api")->CreateUInt64Counter("http.requests");
class Metrics {
 public:
  Metrics(Settings settings, const base::Clock& clock, base::Logger& logger);

  sdk::MeterProvider& provider() { return provider_; }
  // Both do nothing where the settings switch exporting off.
  base::Status ForceFlush() { return reader_ != nullptr ? reader_->ForceFlush() : base::Status(); }
  base::Status Shutdown() { return reader_ != nullptr ? reader_->Shutdown() : base::Status(); }

 private:
  sdk::MeterProvider provider_;
  std::unique_ptr<PeriodicReader> reader_;
};

}  // namespace narthex::telemetry
