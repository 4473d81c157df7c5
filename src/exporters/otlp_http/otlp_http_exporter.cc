#include "exporters/otlp_http/otlp_http_exporter.h"

#include "compress/compress.h"
#include "otlp/encode.h"
#include "otlp/json.h"

namespace narthex::exporters {
namespace {

using base::Code;
using base::Fail;
using otlp::Encoding;

constexpr size_t kResponseBytesMax = 4 << 20;

bool IsRetryableStatus(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

bool IsHttpUrl(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

std::string MetricsUrl(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint + "/v1/metrics";
}

void ReadUrl(config::MapReader& reader, OtlpHttpExporter::Config& config) {
  if (reader.Read("metrics_endpoint", config.url)) {
    if (!IsHttpUrl(config.url)) {
      reader.Report("metrics_endpoint", "must be a URL of http or https");
    }
    return;
  }
  if (config.client.endpoint.empty()) {
    return reader.Report("endpoint", "at least one endpoint must be specified");
  }
  if (!IsHttpUrl(config.client.endpoint)) {
    return reader.Report("endpoint", "must be a URL of http or https");
  }
  config.url = MetricsUrl(config.client.endpoint);
}

void ReadEncoding(config::MapReader& reader, OtlpHttpExporter::Config& config) {
  std::string encoding = "proto";
  reader.Read("encoding", encoding);
  if (encoding == "json") {
    config.encoding = Encoding::kJson;
  } else if (encoding != "proto") {
    reader.Report("encoding", "invalid encoding type: must be proto or json");
  }
}

}  // namespace

std::unique_ptr<pipeline::Exporter> OtlpHttpExporter::Create(
    const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  pipeline::ReadClientConfig(reader, context, {"gzip", "zstd"}, config.client);
  pipeline::ReadSendingConfig(reader, context, config.sending);
  ReadUrl(reader, config);
  ReadEncoding(reader, config);
  // Other signals' addresses may stand in a shared block.
  for (const char* key : {"traces_endpoint", "logs_endpoint", "profiles_endpoint"}) {
    (void)reader.Take(key);
  }
  reader.Finish();
  return std::make_unique<OtlpHttpExporter>(std::move(config), context.id.ToString(), context.host);
}

OtlpHttpExporter::OtlpHttpExporter(Config config, const std::string& name, pipeline::Host& host)
    : config_(std::move(config)),
      name_(name),
      env_(host.env),
      logger_(host.logger),
      queue_(config_.sending, name, host, *this) {}

base::Status OtlpHttpExporter::Start() {
  ASSIGN_OR_RETURN(tls_, net::TlsClient::Create(config_.client.tls, env_, logger_));
  return queue_.Start();
}

pipeline::Encoded OtlpHttpExporter::Encode(const otlp::Batch& batch) {
  std::string body = config_.encoding == Encoding::kJson ? otlp::EncodeMetricsJson(batch)
                                                         : otlp::EncodeMetrics(batch);
  if (config_.client.compression == "gzip") {
    body = compress::GzipEncode(body);
  } else if (config_.client.compression == "zstd") {
    body = compress::ZstdEncode(body);
  }
  return {.payloads = {{.bytes = std::move(body), .points = batch.point_count()}}};
}

pipeline::Attempt OtlpHttpExporter::Send(const pipeline::Payload& payload,
                                         std::chrono::milliseconds timeout) {
  net::HttpClientRequest request{.method = "POST",
                                 .url = config_.url,
                                 .body = payload.bytes,
                                 .timeout = timeout,
                                 .response_bytes_max = kResponseBytesMax,
                                 .tls = tls_};
  const auto headers = config_.client.AllHeaders();
  // A token's file may be back in a moment.
  if (!headers.has_value()) {
    return {.status = std::unexpected(headers.error()), .is_retryable = true};
  }
  for (const auto& [name, value] : *headers) request.headers.Set(name, value);
  request.headers.Set("Content-Type", otlp::MediaTypeOf(config_.encoding));
  if (!config_.client.compression.empty()) {
    request.headers.Set("Content-Encoding", config_.client.compression);
  }
  const base::Result<net::HttpClientResponse> response = client_.FetchAndWait(std::move(request));
  if (!response.has_value()) {
    return {.status = std::unexpected(response.error()),
            .is_retryable = otlp::IsRetryable(response.error().code)};
  }
  return Judge(*response);
}

pipeline::Attempt OtlpHttpExporter::Judge(const net::HttpClientResponse& response) const {
  const bool is_json =
      net::MediaType(response.headers.Get("Content-Type")) == otlp::MediaTypeOf(Encoding::kJson);
  const Encoding encoding = is_json ? Encoding::kJson : Encoding::kProtobuf;
  if (response.status >= 200 && response.status < 300) {
    // A body that cannot be read does not undo that the data was taken.
    const auto partial = otlp::DecodeExportResponse(response.body, encoding);
    if (!partial.has_value()) return {};
    if (partial->rejected_points > 0 || !partial->message.empty()) {
      logger_.Warn("otlp_http", "Partial success response",
                   {{"exporter", name_},
                    {"dropped_data_points", partial->rejected_points},
                    {"message", partial->message}});
    }
    return {.rejected_points = static_cast<size_t>(std::max<int64_t>(partial->rejected_points, 0))};
  }
  const std::string message = otlp::DecodeStatusMessage(response.body, encoding);
  return {.status = Fail(otlp::CodeFromHttpStatus(response.status), "{}: status {} {}{}{}",
                         config_.url, response.status, net::StatusText(response.status),
                         message.empty() ? "" : ": ", message),
          .is_retryable = IsRetryableStatus(response.status),
          .retry_after = net::RetryAfter(response.headers)};
}

}  // namespace narthex::exporters
