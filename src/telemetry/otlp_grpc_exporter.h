#pragma once

#include "net/grpc_client.h"
#include "telemetry/otlp_exporter.h"

namespace narthex::telemetry {

// OTLP over gRPC; follows RetryInfo.
// Source: OTLP specification 1.11, OTLP/gRPC.
class OtlpGrpcExporter final : public OtlpExporter {
 public:
  struct Config {
    std::string target = "http://localhost:4317";
    net::Headers headers;
    bool gzip = false;
    std::shared_ptr<net::TlsClient> tls;  // For https; null: trusts the system's authorities.
    RetryDelays retry_delays;
  };

  OtlpGrpcExporter(Config config, const base::Clock& clock, base::Logger& logger);

 private:
  base::Result<std::string> Encode(const sdk::MetricBatch& batch) override;
  Attempt Send(const std::string& body, std::chrono::milliseconds timeout) override;

  const Config config_;
  net::HttpClient client_;
};

}  // namespace narthex::telemetry
