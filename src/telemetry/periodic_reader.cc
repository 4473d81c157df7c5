#include "telemetry/periodic_reader.h"

namespace narthex::telemetry {

PeriodicReader::PeriodicReader(sdk::MeterProvider& provider,
                               std::unique_ptr<MetricExporter> exporter, Config config,
                               const base::Clock& clock, base::Logger& logger)
    : provider_(provider),
      exporter_(std::move(exporter)),
      config_(config),
      clock_(clock),
      logger_(logger),
      thread_([this] { Run(); }) {}

PeriodicReader::~PeriodicReader() { (void)Shutdown(); }

void PeriodicReader::Run() {
  const int64_t interval_ns = std::chrono::nanoseconds(config_.interval).count();
  int64_t next_ns = clock_.MonotonicNs() + interval_ns;
  bool was_failing = false;
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      while (!stop_) {
        const int64_t left_ns = next_ns - clock_.MonotonicNs();
        if (left_ns <= 0) break;
        stop_changed_.WaitFor(mutex_, std::chrono::nanoseconds(left_ns));
      }
      if (stop_) return;
    }
    // A slow export must not make up for lost time with a burst.
    next_ns = std::max(next_ns + interval_ns, clock_.MonotonicNs());
    const base::Status status = CollectAndExport();
    if (!status.has_value() && !was_failing) {
      logger_.Warn("metric_reader", "export failed", {{"error", status.error().message}});
    } else if (status.has_value() && was_failing) {
      logger_.Info("metric_reader", "exports succeed again");
    }
    was_failing = !status.has_value();
  }
}

base::Status PeriodicReader::CollectAndExport() {
  base::MutexLock lock(export_mutex_);
  provider_.Collect(batch_);
  if (batch_.scopes.empty()) return {};
  return exporter_->Export(batch_, config_.timeout);
}

base::Status PeriodicReader::ForceFlush() { return CollectAndExport(); }

base::Status PeriodicReader::Shutdown() {
  {
    base::MutexLock lock(mutex_);
    if (stop_) return {};
    stop_ = true;
    stop_changed_.NotifyAll();
  }
  // An export that waits to retry would hold the last one up, which has everything it had.
  exporter_->Cancel();
  thread_.join();
  return CollectAndExport();
}

}  // namespace narthex::telemetry
