#include "exporters/prometheusremotewrite/exporter.h"

#include <fmt/format.h>

#include <charconv>

#include "compress/compress.h"
#include "exporters/prometheusremotewrite/translator.h"
#include "otlp/response.h"

namespace narthex::exporters {
namespace {

constexpr size_t kResponseBytesMax = 1 << 20;
constexpr size_t kMessageBytesMax = 512;  // Of an answer's text in ours.

using base::Code;

// What a server of version 2 says that it has written.
struct Written {
  uint64_t elements = 0;  // Samples and native histograms.
  uint64_t exemplars = 0;
  bool is_nothing() const { return elements == 0 && exemplars == 0; }
};

// No number at all is 0. Source: Prometheus Remote-Write 2.0, "Required Written Response Headers".
Written WrittenIn(const net::Headers& headers) {
  const auto count = [&](std::string_view what) -> uint64_t {
    const std::string_view text =
        headers.Get(fmt::format("X-Prometheus-Remote-Write-{}-Written", what));
    uint32_t number = 0;  // No message holds more.
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? number : 0;
  };
  return {.elements = count("Samples") + count("Histograms"), .exemplars = count("Exemplars")};
}

// Which of its points were written. A point may be several samples, and which ones are missing is
// not said: it is their share.
size_t ShareOf(const pipeline::Payload& payload, const Written& written) {
  if (written.elements >= payload.elements) return payload.elements == 0 ? 0 : payload.points;
  return payload.points * written.elements / payload.elements;
}

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
    encoded.payloads.push_back({.bytes = compress::SnappyEncode(part.bytes),
                                .points = part.points,
                                .elements = part.elements});
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
  return Judge(payload, *response);
}

pipeline::Attempt RemoteWriteExporter::Judge(const pipeline::Payload& payload,
                                             const net::HttpClientResponse& response) const {
  const Written written = config_.is_version_2 ? WrittenIn(response.headers) : Written();
  const size_t taken = ShareOf(payload, written);
  if (response.status / 100 == 2) {
    if (!config_.is_version_2) return {};
    if (written.is_nothing() && payload.elements > 0) {
      return {.status =
                  base::Fail(Code::kInvalidArgument,
                             "{}: status {}, but nothing was written: the server may not know "
                             "version 2 of the protocol",
                             config_.client.endpoint, response.status)};
    }
    return {.rejected_points = payload.points - taken};
  }
  return {.status = base::Fail(otlp::CodeFromHttpStatus(response.status), "{}: status {}: {}",
                               config_.client.endpoint, response.status,
                               response.body.substr(0, kMessageBytesMax)),
          .is_retryable = response.status == 429 || response.status / 100 == 5,
          .retry_after = net::RetryAfter(response.headers),
          .taken_points = taken};
}

}  // namespace narthex::exporters
