#pragma once

#include "net/http_client.h"
#include "telemetry/otlp_exporter.h"

namespace narthex::telemetry {

// OTLP over HTTP; follows Retry-After.
// Source: OTLP specification 1.11, OTLP/HTTP.
class OtlpHttpExporter final : public OtlpExporter {
 public:
  struct Config {
    std::string url = "http://localhost:4318/v1/metrics";  // Used as it is.
    net::Headers headers;
    otlp::Encoding encoding = otlp::Encoding::kProtobuf;
    bool gzip = false;
    std::shared_ptr<net::TlsClient> tls;  // For https; null: trusts the system's authorities.
    RetryDelays retry_delays;
  };

  OtlpHttpExporter(Config config, const base::Clock& clock, base::Logger& logger);

 private:
  base::Result<std::string> Encode(const sdk::MetricBatch& batch) override;
  Attempt Send(const std::string& body, std::chrono::milliseconds timeout) override;
  Attempt Judge(const net::HttpClientResponse& response);

  const Config config_;
  net::HttpClient client_;
};

}  // namespace narthex::telemetry
