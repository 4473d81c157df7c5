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

// The whole URL under `key`, or else `path` behind `endpoint`; empty without either.
std::string ReadUrl(config::MapReader& reader, std::string_view key, std::string endpoint,
                    std::string_view path) {
  std::string url;
  if (reader.Read(key, url, fmt::format("The whole URL, instead of `endpoint` and `{}`", path))) {
    if (!IsHttpUrl(url)) reader.Report(key, "must be a URL of http or https");
    return url;
  }
  if (endpoint.empty()) return "";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint + std::string(path);
}

void ReadUrls(config::MapReader& reader, OtlpHttpExporter::Config& config) {
  const std::string& endpoint = config.client.endpoint;
  config.url = ReadUrl(reader, "metrics_endpoint", endpoint, "/v1/metrics");
  config.traces_url = ReadUrl(reader, "traces_endpoint", endpoint, "/v1/traces");
  config.logs_url = ReadUrl(reader, "logs_endpoint", endpoint, "/v1/logs");
  if (!endpoint.empty() && !IsHttpUrl(endpoint)) {
    reader.Report("endpoint", "must be a URL of http or https");
  }
  if (config.url.empty() && config.traces_url.empty() && config.logs_url.empty()) {
    reader.Report("endpoint", "at least one endpoint must be specified");
  }
}

void ReadEncoding(config::MapReader& reader, OtlpHttpExporter::Config& config) {
  std::string encoding = "proto";
  reader.Read("encoding", encoding, "`proto` or `json`");
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
  pipeline::ReadClientConfig(
      reader, context, {"gzip", "zstd", "snappy", "zlib", "deflate", "lz4", "x-snappy-framed"},
      config.client);
  pipeline::ReadSendingConfig(reader, context, config.sending);
  ReadUrls(reader, config);
  ReadEncoding(reader, config);
  (void)reader.TakeWithoutEffect({"profiles_endpoint"});  // Of a signal that we do not have.
  reader.Finish();
  return std::make_unique<OtlpHttpExporter>(std::move(config), context.id.ToString(), context.host);
}

OtlpHttpExporter::OtlpHttpExporter(Config config, const std::string& name, pipeline::Host& host)
    : config_(std::move(config)),
      name_(name),
      meter_(host.meter),
      env_(host.env),
      logger_(host.logger),
      queue_(config_.sending, name, host, *this),
      passed_(config_.sending, name, host, *this, /*takes_json=*/true) {}

base::Status OtlpHttpExporter::Start() {
  ASSIGN_OR_RETURN(tls_, net::TlsClient::Create(config_.client.tls, env_, logger_));
  RETURN_IF_ERROR(queue_.Start());
  return passed_.Start();
}

void OtlpHttpExporter::Stop() {
  queue_.Stop();
  passed_.Stop();
}

pipeline::Encoded OtlpHttpExporter::Encode(const otlp::Batch& batch) {
  std::string body = config_.encoding == Encoding::kJson ? otlp::EncodeMetricsJson(batch)
                                                         : otlp::EncodeMetrics(batch);
  return {.payloads = {{.bytes = Pack(std::move(body)),
                        .points = batch.point_count(),
                        .encoding = config_.encoding}}};
}

std::string OtlpHttpExporter::Pack(std::string bytes) {
  return compress::Encode(config_.client.compression, std::move(bytes),
                          config_.client.compression_level);
}

const std::string& OtlpHttpExporter::UrlOf(pipeline::Signal signal) const {
  switch (signal) {
    case pipeline::Signal::kMetrics:
      return config_.url;
    case pipeline::Signal::kTraces:
      return config_.traces_url;
    case pipeline::Signal::kLogs:
      return config_.logs_url;
  }
  return config_.url;
}

pipeline::Attempt OtlpHttpExporter::Send(const pipeline::Payload& payload,
                                         std::chrono::milliseconds timeout) {
  net::HttpClientRequest request{.method = "POST",
                                 .url = UrlOf(payload.signal),
                                 .body = payload.bytes,
                                 .timeout = timeout,
                                 .response_bytes_max = kResponseBytesMax,
                                 .tls = tls_};
  if (base::Status status = config_.client.SetHeaders(request.headers, payload.client.get());
      !status.has_value()) {
    return {.status = std::move(status), .is_retryable = true};
  }
  request.headers.Set("Content-Type", otlp::MediaTypeOf(payload.encoding));
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

void OtlpHttpExporter::Pass(pipeline::PassedRequest passed, Done done) {
  const std::string& url = UrlOf(passed.signal);
  const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(config_.sending.timeout);
  if (url.empty()) {
    return done({.status = Fail(Code::kUnimplemented, "{} has no endpoint for {}", name_,
                                pipeline::NameOf(passed.signal))});
  }
  net::HttpClientRequest request{.method = "POST",
                                 .url = url,
                                 .timeout = timeout,
                                 .response_bytes_max = kResponseBytesMax,
                                 .tls = tls_};
  if (const base::Status status = config_.client.SetHeaders(request.headers, passed.client.get());
      !status.has_value()) {
    return done({.status = Fail(Code::kUnavailable, "{}", status.error().message)});
  }
  request.headers.Set("Content-Type", otlp::MediaTypeOf(passed.encoding));
  const std::string& compression = config_.client.compression;
  if (!compression.empty()) request.headers.Set("Content-Encoding", compression);
  request.body = Pack(std::move(passed.bytes));
  client_.Fetch(std::move(request), [this, signal = passed.signal, items = passed.items,
                                     done = std::make_shared<Done>(std::move(done))](
                                        base::Result<net::HttpClientResponse> response) {
    pipeline::PassedAnswer answer;
    if (!response.has_value()) {
      answer.status = std::unexpected(std::move(response).error());
    } else if (response->status / 100 == 2) {
      answer.response = std::move(response->body);
    } else {
      pipeline::Attempt attempt = Judge(*response);
      answer.status = std::unexpected(
          otlp::MarkRetryable(std::move(attempt.status).error(), attempt.is_retryable));
      answer.retry_after = attempt.retry_after;
    }
    pipeline::CountPassed(meter_, name_, signal, items, answer.status);
    (*done)(std::move(answer));
  });
}

}  // namespace narthex::exporters
