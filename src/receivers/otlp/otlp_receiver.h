#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "config/server.h"
#include "net/grpc_server.h"
#include "net/http_server.h"
#include "otlp/response.h"
#include "pipeline/auth.h"

namespace narthex::receivers {

// Takes metrics over OTLP/gRPC and OTLP/HTTP and answers as the official receiver does, but for a
// body over the limit, which is 413 as the specification has it. Senders that are refused for now
// always learn when to come again; data points that contradict themselves are refused one by one,
// in a partial success. Thread-safe.
// Source: OTLP specification 1.11.
class OtlpReceiver final : public pipeline::Receiver {
 public:
  struct GrpcConfig {
    config::GrpcServerConfig server{.endpoint = "localhost:4317"};
    const pipeline::AuthExtension* auth = nullptr;
  };
  struct HttpConfig {
    config::HttpServerConfig server{.endpoint = "localhost:4318"};
    std::string metrics_path = "/v1/metrics";
    std::string traces_path = "/v1/traces", logs_path = "/v1/logs";
    const pipeline::AuthExtension* auth = nullptr;
  };
  struct Config {
    std::optional<GrpcConfig> grpc;
    std::optional<HttpConfig> http;
  };
  static std::unique_ptr<pipeline::Receiver> Create(const pipeline::CreateContext& context,
                                                    pipeline::Consumer& next);

  OtlpReceiver(Config config, const std::string& name, pipeline::Host& host,
               pipeline::Consumer& next);
  ~OtlpReceiver() override;

  // Traces and logs are taken in protobuf and passed on as they are.
  bool Connect(pipeline::Signal signal, pipeline::Passage& next) override;
  base::Status Start() override;
  // Refuses new requests and waits for those that are being served.
  void Stop() override;

  // 0 when that protocol is not configured. REQUIRES: started.
  uint16_t grpc_port() const { return grpc_ != nullptr ? grpc_->port() : 0; }
  uint16_t http_port() const { return http_ != nullptr ? http_->port() : 0; }

 private:
  // The counters of one protocol.
  struct Probe;

  // Traces or logs: where they go, and the counters.
  struct Way {
    pipeline::Passage& next;
    std::string http_path, grpc_method;
    sdk::BoundCounter<uint64_t> accepted, refused, failed;
    void Count(size_t items, const base::Status& status);
  };

  void HandleHttp(net::HttpRequest request, net::Responder responder);
  void PassHttp(pipeline::Signal signal, Way& way, net::HttpRequest request,
                net::Responder responder);
  void PassGrpc(pipeline::Signal signal, Way& way, net::GrpcRequest request,
                otlp::ClientPointer client, net::GrpcResponder responder);
  // Who sends it. Error: kUnauthenticated.
  base::Result<otlp::ClientPointer> AdmitHttp(const net::HttpRequest& request) const;
  base::Result<otlp::ClientPointer> AdmitGrpc(const net::GrpcRequest& request) const;
  net::HttpResponse Serve(net::HttpRequest request, otlp::Encoding encoding);
  void HandleGrpc(net::GrpcRequest request, net::GrpcResponder responder);
  // What was taken of a batch, and what was refused for good.
  base::Result<otlp::PartialSuccess> Pass(otlp::Batch batch, Probe& probe);

  const Config config_;
  const base::Env env_;
  base::Logger& logger_;
  const std::string name_;
  sdk::Meter& meter_;
  pipeline::Consumer& next_;
  std::map<pipeline::Signal, Way> ways_;
  pipeline::Flow flow_;
  const std::unique_ptr<Probe> grpc_probe_;
  const std::unique_ptr<Probe> http_probe_;
  std::unique_ptr<net::GrpcServer> grpc_;
  std::unique_ptr<net::HttpServer> http_;
};

inline constexpr pipeline::ReceiverFactory kOtlpReceiver = {"otlp", "otlp_grpc",
                                                            &OtlpReceiver::Create};

}  // namespace narthex::receivers
