#pragma once

#include <memory>
#include <string>

#include "net/grpc_client.h"
#include "pipeline/client_config.h"
#include "pipeline/passed_queues.h"

namespace narthex::exporters {

// Sends metrics over OTLP/gRPC, in the clear. What no processor has touched leaves with the bytes
// it came with. Thread-safe. Source: OTLP specification 1.11, OTLP/gRPC.
class OtlpGrpcExporter final : public pipeline::Exporter,
                               private pipeline::Transport,
                               private pipeline::Passage {
 public:
  struct Config {
    pipeline::ClientConfig client;
    std::string target;       // "http://host:port", or https
    std::string unix_socket;  // The path of one, instead of host and port.
    pipeline::SendingConfig sending;
  };
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context);

  OtlpGrpcExporter(Config config, const std::string& name, pipeline::Host& host);

  base::Status Start() override;
  void Stop() override;
  base::Status Consume(otlp::Batch batch) override { return queue_.Consume(std::move(batch)); }
  // Traces and logs have queues of their own. Without `sending_queue` they are sent at once, one
  // attempt each: their senders have the answer and try again.
  pipeline::Passage* PassageOf(pipeline::Signal signal) override {
    return config_.sending.queue.is_enabled ? passed_.Of(signal) : this;
  }

 private:
  pipeline::Encoded Encode(const otlp::Batch& batch) override;
  pipeline::Attempt Send(const pipeline::Payload& payload,
                         std::chrono::milliseconds timeout) override;
  void Pass(pipeline::PassedRequest request, Done done) override;
  pipeline::Attempt Judge(const net::GrpcAnswer& answer) const;

  const Config config_;
  const std::string name_;
  sdk::Meter& meter_;
  const base::Env env_;
  base::Logger& logger_;
  std::shared_ptr<net::TlsClient> tls_;  // Set by Start.
  net::HttpClient client_;
  // These use everything above.
  pipeline::ExportQueue queue_;
  pipeline::PassedQueues passed_;
};

inline constexpr pipeline::ExporterFactory kOtlpGrpcExporter = {"otlp_grpc", "otlp",
                                                                &OtlpGrpcExporter::Create};

}  // namespace narthex::exporters
