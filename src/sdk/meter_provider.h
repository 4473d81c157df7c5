#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "sdk/meter.h"
#include "sdk/metric_data.h"
#include "sdk/resource.h"

namespace narthex::sdk {

// Where instruments come from and where their data is collected. Thread-safe. Knows no exporter:
// a reader (telemetry/periodic_reader.h) collects and sends.
// Source: OpenTelemetry specification, metrics SDK.
class MeterProvider {
 public:
  struct Config {
    Resource resource = Resource::Create();
    const base::Clock& clock = base::SystemClock();
    base::Logger& logger = base::NullLogger();
    TemporalityPreference temporality = TemporalityPreference::kCumulative;
    // Series per instrument, the overflow series included; more go into one series with
    // otel.metric.overflow=true. At least 2.
    size_t cardinality_limit = 2000;
  };

  explicit MeterProvider(Config config);
  MeterProvider() : MeterProvider(Config{}) {}

  // The same meter for the same three.
  std::shared_ptr<Meter> GetMeter(std::string_view name, std::string_view version = "",
                                  std::string_view schema_url = "");

  // Runs the callbacks of the observables and takes the value of every series. One collection at
  // a time; `into` is valid until the next one into it and as long as the provider.
  void Collect(MetricBatch& into);

  const Resource& resource() const { return config_.resource; }

 private:
  const Config config_;
  const Meter::Context context_;

  base::Mutex collect_mutex_;  // Held during a whole collection.
  uint64_t collections_ GUARDED_BY(collect_mutex_) = 0;

  base::Mutex mutex_;
  std::vector<std::shared_ptr<Meter>> meters_ GUARDED_BY(mutex_);
};

}  // namespace narthex::sdk
