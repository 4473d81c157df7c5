#pragma once

#include <memory>
#include <string>

#include "exporters/prometheusremotewrite/config.h"
#include "net/http_client.h"
#include "pipeline/export_queue.h"

namespace narthex::exporters {

// Sends metrics to a receiver of Prometheus's remote write. Thread-safe.
// Source: Prometheus Remote-Write specifications 1.0 and 2.0; opentelemetry-collector-contrib,
// exporter/prometheusremotewriteexporter.
class RemoteWriteExporter final : public pipeline::Exporter, private pipeline::Transport {
 public:
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context);

  RemoteWriteExporter(RemoteWriteConfig config, const std::string& name, pipeline::Host& host);

  base::Status Start() override;
  void Stop() override { queue_.Stop(); }
  base::Status Consume(otlp::Batch batch) override { return queue_.Consume(std::move(batch)); }

 private:
  pipeline::Encoded Encode(const otlp::Batch& batch) override;
  pipeline::Attempt Send(const pipeline::Payload& payload,
                         std::chrono::milliseconds timeout) override;
  pipeline::Attempt Judge(const pipeline::Payload& payload,
                          const net::HttpClientResponse& response) const;

  const RemoteWriteConfig config_;
  const base::Env env_;
  base::Logger& logger_;
  std::shared_ptr<net::TlsClient> tls_;  // Set by Start.
  net::HttpClient client_;
  pipeline::ExportQueue queue_;  // Uses everything above.
};

inline constexpr pipeline::ExporterFactory kRemoteWriteExporter = {
    "prometheusremotewrite", "prometheus_remote_write", &RemoteWriteExporter::Create};

}  // namespace narthex::exporters
