#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "sdk/meter_provider.h"
#include "telemetry/metric_exporter.h"

namespace narthex::telemetry {

// Collects from a provider and exports, every interval, on a thread of its own. Collections never
// overlap. Thread-safe.
// Source: OpenTelemetry specification, periodic exporting MetricReader.
class PeriodicReader {
 public:
  struct Config {
    std::chrono::milliseconds interval{60'000};
    std::chrono::milliseconds timeout{30'000};  // Of one export, retries included.
  };

  // The provider outlives the reader.
  PeriodicReader(sdk::MeterProvider& provider, std::unique_ptr<MetricExporter> exporter,
                 Config config, const base::Clock& clock, base::Logger& logger);
  ~PeriodicReader();

  // Collects and exports now.
  base::Status ForceFlush();
  // Stops the thread, then collects and exports a last time. Works twice; the second does nothing.
  base::Status Shutdown();

 private:
  void Run();
  base::Status CollectAndExport();

  sdk::MeterProvider& provider_;
  const std::unique_ptr<MetricExporter> exporter_;
  const Config config_;
  const base::Clock& clock_;
  base::Logger& logger_;

  base::Mutex export_mutex_;  // Held during a whole collection and export.
  sdk::MetricBatch batch_ GUARDED_BY(export_mutex_);

  base::Mutex mutex_;
  base::CondVar stop_changed_;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace narthex::telemetry
