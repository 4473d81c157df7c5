#include "telemetry/otlp_exporter.h"

#include <algorithm>

namespace narthex::telemetry {

using base::Code;
using base::Fail;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

OtlpExporter::OtlpExporter(RetryDelays delays, const base::Clock& clock, base::Logger& logger)
    : delays_(delays), clock_(clock), logger_(logger), random_(base::RandomSeed()) {}

base::Status OtlpExporter::Export(const sdk::MetricBatch& batch, milliseconds timeout) {
  {
    base::MutexLock lock(mutex_);
    cancelled_ = false;
  }
  ASSIGN_OR_RETURN(const std::string body, Encode(batch));
  const int64_t deadline_ns = clock_.MonotonicNs() + nanoseconds(timeout).count();
  milliseconds delay = delays_.first;
  for (;;) {
    const milliseconds left((deadline_ns - clock_.MonotonicNs()) / 1'000'000);
    if (left.count() <= 0) return Fail(Code::kDeadlineExceeded, "no answer within the time limit");
    Attempt attempt = Send(body, left);
    if (attempt.status.has_value() || !attempt.is_retryable) return attempt.status;
    const nanoseconds jittered(static_cast<int64_t>(
        static_cast<double>(nanoseconds(delay).count()) * (0.8 + 0.4 * random_.NextDouble())));
    const nanoseconds wait = std::max(jittered, attempt.retry_after);
    if (clock_.MonotonicNs() + wait.count() >= deadline_ns) return attempt.status;
    if (!Wait(wait)) return attempt.status;
    delay = std::min(delay * 3 / 2, delays_.max);
  }
}

void OtlpExporter::WarnOfPartialSuccess(const otlp::PartialSuccess& partial) {
  if (partial.rejected_points == 0 && partial.message.empty()) return;
  logger_.Warn("otlp_exporter", "the server took only part of an export",
               {{"rejected_points", partial.rejected_points}, {"reason", partial.message}});
}

bool OtlpExporter::Wait(nanoseconds delay) {
  const int64_t until_ns = clock_.MonotonicNs() + delay.count();
  base::MutexLock lock(mutex_);
  while (!cancelled_) {
    const int64_t left_ns = until_ns - clock_.MonotonicNs();
    if (left_ns <= 0) return true;
    cancelled_changed_.WaitFor(mutex_, nanoseconds(left_ns));
  }
  return false;
}

void OtlpExporter::Cancel() {
  base::MutexLock lock(mutex_);
  cancelled_ = true;
  cancelled_changed_.NotifyAll();
}

}  // namespace narthex::telemetry
