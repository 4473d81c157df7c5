#pragma once

#include <chrono>

#include "base/result.h"
#include "sdk/metric_data.h"

namespace narthex::telemetry {

// Sends collections away. One export at a time.
class MetricExporter {
 public:
  virtual ~MetricExporter() = default;

  // Blocks until the batch is delivered or lost, at most for `timeout`.
  virtual base::Status Export(const sdk::MetricBatch& batch, std::chrono::milliseconds timeout) = 0;
  // Makes an Export that waits for its next attempt give up; the next Export is not affected.
  // Thread-safe.
  virtual void Cancel() = 0;
};

}  // namespace narthex::telemetry
