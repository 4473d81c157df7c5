#include "telemetry/otlp_http_exporter.h"

#include "compress/compress.h"
#include "otlp/decode.h"
#include "otlp/json.h"
#include "telemetry/encode.h"

namespace narthex::telemetry {
namespace {

using base::Code;
using base::Fail;

bool IsRetryableStatus(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

OtlpHttpExporter::OtlpHttpExporter(Config config, const base::Clock& clock, base::Logger& logger)
    : OtlpExporter(config.retry_delays, clock, logger), config_(std::move(config)) {}

base::Result<std::string> OtlpHttpExporter::Encode(const sdk::MetricBatch& batch) {
  std::string body = EncodeOtlp(batch);
  if (config_.encoding == otlp::Encoding::kJson) {
    ASSIGN_OR_RETURN(const otlp::Batch indexed, otlp::DecodeMetrics(std::move(body)));
    body = otlp::EncodeMetricsJson(indexed);
  }
  return config_.gzip ? compress::GzipEncode(body) : std::move(body);
}

OtlpExporter::Attempt OtlpHttpExporter::Send(const std::string& body,
                                             std::chrono::milliseconds timeout) {
  net::HttpClientRequest request{.method = "POST",
                                 .url = config_.url,
                                 .body = body,
                                 .timeout = timeout,
                                 .response_bytes_max = kResponseBytesMax,
                                 .tls = config_.tls};
  request.headers = config_.headers;
  request.headers.Set("Content-Type", otlp::MediaTypeOf(config_.encoding));
  request.headers.Set("User-Agent", kUserAgent);
  if (config_.gzip) request.headers.Set("Content-Encoding", "gzip");
  const base::Result<net::HttpClientResponse> response = client_.FetchAndWait(std::move(request));
  if (!response.has_value()) {
    return {.status = std::unexpected(response.error()),
            .is_retryable = response.error().code == Code::kUnavailable};
  }
  return Judge(*response);
}

OtlpExporter::Attempt OtlpHttpExporter::Judge(const net::HttpClientResponse& response) {
  const otlp::Encoding encoding = net::MediaType(response.headers.Get("Content-Type")) ==
                                          otlp::MediaTypeOf(otlp::Encoding::kJson)
                                      ? otlp::Encoding::kJson
                                      : otlp::Encoding::kProtobuf;
  if (response.status >= 200 && response.status < 300) {
    const auto partial = otlp::DecodeExportResponse(response.body, encoding);
    if (!partial.has_value()) return {.status = std::unexpected(partial.error())};
    WarnOfPartialSuccess(*partial);
    return {};
  }
  const std::string message = otlp::DecodeStatusMessage(response.body, encoding);
  return {.status = Fail(otlp::CodeFromHttpStatus(response.status), "{}: status {} {}{}{}",
                         config_.url, response.status, net::StatusText(response.status),
                         message.empty() ? "" : ": ", message),
          .is_retryable = IsRetryableStatus(response.status),
          .retry_after = net::RetryAfter(response.headers)};
}

}  // namespace narthex::telemetry
