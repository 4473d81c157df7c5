#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/random.h"
#include "net/http_client.h"
#include "otlp/response.h"
#include "telemetry/metric_exporter.h"

namespace narthex::telemetry {

// OTLP over HTTP. Retries what the specification calls retryable, with exponential backoff and
// jitter, and follows Retry-After.
// Source: OTLP specification 1.11, OTLP/HTTP.
class OtlpHttpExporter final : public MetricExporter {
 public:
  struct Config {
    std::string url = "http://localhost:4318/v1/metrics";  // Used as it is.
    net::Headers headers;
    otlp::Encoding encoding = otlp::Encoding::kProtobuf;
    bool gzip = false;
    std::chrono::milliseconds retry_delay{1'000};  // The first; each further one 1.5 times longer,
    std::chrono::milliseconds retry_delay_max{5'000};  // up to this, all give or take a fifth.
  };

  OtlpHttpExporter(Config config, const base::Clock& clock, base::Logger& logger);

  base::Status Export(const sdk::MetricBatch& batch, std::chrono::milliseconds timeout) override;
  void Cancel() override;

 private:
  struct Attempt {
    base::Status status;
    bool is_retryable = false;
    std::chrono::milliseconds retry_after{0};  // 0: the server did not say.
  };
  Attempt Send(const std::string& body, std::chrono::milliseconds timeout);
  Attempt Judge(const net::HttpClientResponse& response);
  // False when cancelled meanwhile.
  bool Wait(std::chrono::milliseconds delay);

  const Config config_;
  const base::Clock& clock_;
  base::Logger& logger_;
  base::Random random_;
  net::HttpClient client_;

  base::Mutex mutex_;
  base::CondVar cancelled_changed_;
  bool cancelled_ GUARDED_BY(mutex_) = false;
};

}  // namespace narthex::telemetry
