#include "exporters/prometheusremotewrite/exporter.h"

#include "compress/compress.h"
#include "exporters/prometheusremotewrite/translator.h"
#include "otlp/response.h"

namespace narthex::exporters {
namespace {

constexpr size_t kResponseBytesMax = 1 << 20;
constexpr size_t kMessageBytesMax = 512;  // Of an answer's text in ours.

}  // namespace

std::unique_ptr<pipeline::Exporter> RemoteWriteExporter::Create(
    const pipeline::CreateContext& context) {
  return std::make_unique<RemoteWriteExporter>(ReadRemoteWriteConfig(context),
                                               context.id.ToString(), context.host);
}

RemoteWriteExporter::RemoteWriteExporter(RemoteWriteConfig config, const std::string& name,
                                         pipeline::Host& host)
    : config_(std::move(config)),
      env_(host.env),
      logger_(host.logger),
      queue_(config_.sending, name, host, *this) {}

base::Status RemoteWriteExporter::Start() {
  ASSIGN_OR_RETURN(tls_, net::TlsClient::Create(config_.client.tls, env_, logger_));
  return queue_.Start();
}

pipeline::Encoded RemoteWriteExporter::Encode(const otlp::Batch& batch) {
  Translator::Losses losses;
  pipeline::Encoded encoded;
  for (Translator::Part& part : Translator(config_).Run(batch, losses)) {
    encoded.payloads.push_back(
        {.bytes = compress::SnappyEncode(part.bytes), .points = part.points});
  }
  for (const auto& [reason, points] : losses) encoded.losses.push_back({reason, points});
  return encoded;
}

pipeline::Attempt RemoteWriteExporter::Send(const pipeline::Payload& payload,
                                            std::chrono::milliseconds timeout) {
  net::HttpClientRequest request{.method = "POST",
                                 .url = config_.client.endpoint,
                                 .body = payload.bytes,
                                 .timeout = timeout,
                                 .response_bytes_max = kResponseBytesMax,
                                 .tls = tls_};
  if (base::Status status = config_.client.SetHeaders(request.headers, payload.client.get());
      !status.has_value()) {
    return {.status = std::move(status), .is_retryable = true};
  }
  request.headers.Set("Content-Encoding", "snappy");
  request.headers.Set("Content-Type",
                      config_.is_version_2
                          ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                          : "application/x-protobuf");
  request.headers.Set("X-Prometheus-Remote-Write-Version",
                      config_.is_version_2 ? "2.0.0" : "0.1.0");
  const base::Result<net::HttpClientResponse> response = client_.FetchAndWait(std::move(request));
  if (!response.has_value()) {
    return {.status = std::unexpected(response.error()),
            .is_retryable = otlp::IsRetryable(response.error().code)};
  }
  if (response->status >= 200 && response->status < 300) return {};
  return {.status = base::Fail(otlp::CodeFromHttpStatus(response->status), "{}: status {}: {}",
                               config_.client.endpoint, response->status,
                               response->body.substr(0, kMessageBytesMax)),
          .is_retryable = response->status == 429 || response->status / 100 == 5,
          .retry_after = net::RetryAfter(response->headers)};
}

}  // namespace narthex::exporters
