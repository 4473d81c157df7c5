#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/random.h"
#include "otlp/response.h"
#include "telemetry/metric_exporter.h"

namespace narthex::telemetry {

// What the OTLP exporters have in common: they encode a batch once and try to deliver it until the
// time is up, with exponential backoff and jitter, as long as the server calls it worth while.
// Source: OTLP specification 1.11, "Failures" and "Retryable response codes".
class OtlpExporter : public MetricExporter {
 public:
  struct RetryDelays {
    std::chrono::milliseconds first{1'000};  // Each further one is 1.5 times longer,
    std::chrono::milliseconds max{5'000};    // up to this, all give or take a fifth.
  };

  base::Status Export(const sdk::MetricBatch& batch, std::chrono::milliseconds timeout) final;
  void Cancel() final;

 protected:
  static constexpr size_t kResponseBytesMax = 4 << 20;
  static constexpr std::string_view kUserAgent = "OTel-OTLP-Exporter-Cpp/narthex";

  struct Attempt {
    base::Status status;
    bool is_retryable = false;
    std::chrono::nanoseconds retry_after{0};  // 0: the server did not say.
  };

  OtlpExporter(RetryDelays delays, const base::Clock& clock, base::Logger& logger);

  virtual base::Result<std::string> Encode(const sdk::MetricBatch& batch) = 0;
  // Blocks for at most `timeout`.
  virtual Attempt Send(const std::string& body, std::chrono::milliseconds timeout) = 0;

  // Of an answer that says success, the part that says otherwise.
  void WarnOfPartialSuccess(const otlp::PartialSuccess& partial);

 private:
  // False when cancelled meanwhile.
  bool Wait(std::chrono::nanoseconds delay);

  const RetryDelays delays_;
  const base::Clock& clock_;
  base::Logger& logger_;
  base::Random random_;

  base::Mutex mutex_;
  base::CondVar cancelled_changed_;
  bool cancelled_ GUARDED_BY(mutex_) = false;
};

}  // namespace narthex::telemetry
