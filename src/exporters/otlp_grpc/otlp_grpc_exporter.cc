#include "exporters/otlp_grpc/otlp_grpc_exporter.h"

#include <future>

#include "otlp/encode.h"
#include "otlp/response.h"

namespace narthex::exporters {
namespace {

using base::Code;

constexpr std::string_view kTracesMethod =
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr std::string_view kLogsMethod =
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

void ReadTarget(config::MapReader& reader, OtlpGrpcExporter::Config& config) {
  constexpr std::string_view kHttp = "http://", kHttps = "https://";
  std::string_view endpoint = config.client.endpoint;
  bool is_clear = config.client.tls.insecure;
  if (endpoint.empty()) return reader.Report("endpoint", "requires a non-empty \"endpoint\"");
  if (endpoint.starts_with(kHttp)) {
    endpoint.remove_prefix(kHttp.size());
    is_clear = true;
  } else if (endpoint.starts_with(kHttps)) {
    endpoint.remove_prefix(kHttps.size());
    is_clear = false;
  } else if (endpoint.starts_with("dns://")) {
    endpoint.remove_prefix(endpoint.rfind('/') + 1);
  } else if (endpoint.starts_with("unix:")) {
    endpoint.remove_prefix(endpoint.starts_with("unix://") ? 7 : 5);
    if (endpoint.empty()) return reader.Report("endpoint", "must be unix:///path");
    config.unix_socket = endpoint;
    config.target = fmt::format("{}localhost", is_clear ? kHttp : kHttps);
    return;
  } else if (endpoint.find("://") != std::string_view::npos) {
    return reader.Report(
        "endpoint", "only http://, https://, dns:/// and unix:// are supported by this exporter");
  }
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  if (endpoint.rfind(':') == std::string_view::npos || endpoint.ends_with(':')) {
    return reader.Report("endpoint", "must be host:port");
  }
  config.target = fmt::format("{}{}", is_clear ? kHttp : kHttps, endpoint);
}

std::string MethodOf(pipeline::Signal signal) {
  switch (signal) {
    case pipeline::Signal::kMetrics:
      break;
    case pipeline::Signal::kTraces:
      return std::string(kTracesMethod);
    case pipeline::Signal::kLogs:
      return std::string(kLogsMethod);
  }
  return std::string(otlp::kExportMethod);
}

}  // namespace

std::unique_ptr<pipeline::Exporter> OtlpGrpcExporter::Create(
    const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  pipeline::ReadClientConfig(reader, context, {"gzip", "snappy", "zstd"}, config.client);
  pipeline::ReadSendingConfig(reader, context, config.sending);
  ReadTarget(reader, config);
  reader.Finish();
  return std::make_unique<OtlpGrpcExporter>(std::move(config), context.id.ToString(), context.host);
}

OtlpGrpcExporter::OtlpGrpcExporter(Config config, const std::string& name, pipeline::Host& host)
    : config_(std::move(config)),
      name_(name),
      meter_(host.meter),
      env_(host.env),
      logger_(host.logger),
      queue_(config_.sending, name, host, *this),
      passed_(config_.sending, name, host, *this, /*takes_json=*/false) {}

base::Status OtlpGrpcExporter::Start() {
  ASSIGN_OR_RETURN(tls_, net::TlsClient::Create(config_.client.tls, env_, logger_));
  RETURN_IF_ERROR(queue_.Start());
  return passed_.Start();
}

void OtlpGrpcExporter::Stop() {
  queue_.Stop();
  passed_.Stop();
}

pipeline::Encoded OtlpGrpcExporter::Encode(const otlp::Batch& batch) {
  return {.payloads = {{.bytes = otlp::EncodeMetrics(batch), .points = batch.point_count()}}};
}

pipeline::Attempt OtlpGrpcExporter::Send(const pipeline::Payload& payload,
                                         std::chrono::milliseconds timeout) {
  net::GrpcCall call{.target = config_.target,
                     .method = MethodOf(payload.signal),
                     .message = payload.bytes,
                     .timeout = timeout,
                     .compression = config_.client.compression,
                     .compression_level = config_.client.compression_level,
                     .tls = tls_,
                     .unix_socket = config_.unix_socket};
  if (base::Status status = config_.client.SetHeaders(call.metadata, payload.client.get());
      !status.has_value()) {
    return {.status = std::move(status), .is_retryable = true};
  }
  std::promise<net::GrpcAnswer> promise;
  net::CallGrpc(client_, std::move(call),
                [&promise](net::GrpcAnswer answer) { promise.set_value(std::move(answer)); });
  return Judge(promise.get_future().get());
}

pipeline::Attempt OtlpGrpcExporter::Judge(const net::GrpcAnswer& answer) const {
  if (!answer.message.has_value()) {
    const auto delay = otlp::DecodeRetryDelay(answer.status_details);
    return {
        .status = std::unexpected(base::Error(answer.message.error()).In(config_.client.endpoint)),
        .is_retryable = otlp::IsRetryableAnswer(answer.message.error().code, delay.has_value()),
        .retry_after = delay.value_or(std::chrono::nanoseconds(0))};
  }
  // An answer that cannot be read does not undo that the data was taken.
  const auto partial = otlp::DecodeExportResponse(*answer.message, otlp::Encoding::kProtobuf);
  if (!partial.has_value()) return {};
  if (partial->rejected_points > 0 || !partial->message.empty()) {
    logger_.Warn("otlp_grpc", "Partial success response",
                 {{"exporter", name_},
                  {"dropped_data_points", partial->rejected_points},
                  {"message", partial->message}});
  }
  return {.rejected_points = static_cast<size_t>(std::max<int64_t>(partial->rejected_points, 0))};
}

void OtlpGrpcExporter::Pass(pipeline::PassedRequest passed, Done done) {
  net::GrpcCall call{
      .target = config_.target,
      .method = MethodOf(passed.signal),
      .message = std::move(passed.bytes),
      .timeout = std::chrono::ceil<std::chrono::milliseconds>(config_.sending.timeout),
      .compression = config_.client.compression,
      .compression_level = config_.client.compression_level,
      .tls = tls_,
      .unix_socket = config_.unix_socket};
  if (const base::Status status = config_.client.SetHeaders(call.metadata, passed.client.get());
      !status.has_value()) {
    return done({.status = base::Fail(Code::kUnavailable, "{}", status.error().message)});
  }
  net::CallGrpc(client_, std::move(call),
                [this, signal = passed.signal, items = passed.items,
                 done = std::make_shared<Done>(std::move(done))](net::GrpcAnswer answer) {
                  pipeline::PassedAnswer passed_answer;
                  if (answer.message.has_value()) {
                    passed_answer.response = *std::move(answer.message);
                  } else {
                    pipeline::Attempt attempt = Judge(answer);
                    passed_answer.status = std::unexpected(otlp::MarkRetryable(
                        std::move(attempt.status).error(), attempt.is_retryable));
                    passed_answer.retry_after = attempt.retry_after;
                  }
                  pipeline::CountPassed(meter_, name_, signal, items, passed_answer.status);
                  (*done)(std::move(passed_answer));
                });
}

}  // namespace narthex::exporters
