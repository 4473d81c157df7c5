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
    // Who collects; each sees all measurements, and a reader of deltas only its own intervals.
    // At least one.
    std::vector<ReaderOptions> readers = {{}};
    std::vector<View> views;
    ExemplarFilter exemplars = ExemplarFilter::kTraceBased;
    // Series per instrument, the overflow series included; more go into one series with
    // otel.metric.overflow=true. At least 2.
    size_t cardinality_limit = 2000;
  };

  explicit MeterProvider(Config config);
  MeterProvider() : MeterProvider(Config{}) {}

  // The same meter for the same four.
  std::shared_ptr<Meter> GetMeter(std::string_view name, std::string_view version = "",
                                  std::string_view schema_url = "", Attributes attributes = {});

  // For the reader of that number in the configuration: runs the callbacks of the observables and
  // takes the value of every series. One collection at a time; `into` is valid until the next one
  // into it and as long as the provider. REQUIRES: there is such a reader.
  void Collect(size_t reader, MetricBatch& into);
  // For the first reader.
  void Collect(MetricBatch& into) { Collect(0, into); }

  const Resource& resource() const { return config_.resource; }

 private:
  const Config config_;
  const Meter::Context context_;

  base::Mutex collect_mutex_;  // Held during a whole collection.

  base::Mutex mutex_;
  std::vector<std::shared_ptr<Meter>> meters_ GUARDED_BY(mutex_);
};

}  // namespace narthex::sdk
