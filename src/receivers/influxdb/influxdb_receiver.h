#pragma once

#include <memory>
#include <string>

#include "config/server.h"
#include "net/http_server.h"
#include "pipeline/auth.h"
#include "pipeline/factory.h"

namespace narthex::receivers {

// Takes InfluxDB's line protocol over HTTP, as clients of version 1 and 2 send it. Thread-safe.
// Source: opentelemetry-collector-contrib, receiver/influxdbreceiver.
class InfluxDbReceiver final : public pipeline::Receiver {
 public:
  struct Config {
    config::HttpServerConfig server{.endpoint = "localhost:8086"};
    const pipeline::AuthExtension* auth = nullptr;
  };
  static std::unique_ptr<pipeline::Receiver> Create(const pipeline::CreateContext& context,
                                                    pipeline::Consumer& next);

  InfluxDbReceiver(Config config, const std::string& name, pipeline::Host& host,
                   pipeline::Consumer& next);
  ~InfluxDbReceiver() override { Stop(); }

  base::Status Start() override;
  void Stop() override;
  uint16_t port() const { return server_->port(); }  // REQUIRES: started.

 private:
  void Handle(net::HttpRequest request, net::Responder responder);
  net::HttpResponse Write(net::HttpRequest request);
  // An ExportMetricsServiceRequest. Errors name the line.
  base::Result<std::string> Translate(std::string_view text, int64_t unit_ns);
  base::Status Pass(otlp::Batch batch);

  const Config config_;
  const base::Env env_;
  base::Logger& logger_;
  pipeline::Consumer& next_;
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> accepted_, refused_, failed_;
  sdk::BoundCounter<uint64_t> lines_, bad_requests_;
  std::unique_ptr<net::HttpServer> server_;
};

inline constexpr pipeline::ReceiverFactory kInfluxDbReceiver = {"influxdb", "",
                                                                &InfluxDbReceiver::Create};

}  // namespace narthex::receivers
