#include "receivers/otlp/otlp_receiver.h"

#include "compress/compress.h"
#include "otlp/decode.h"
#include "otlp/json.h"

namespace narthex::receivers {
namespace {

using base::Code;
using base::Error;
using otlp::Encoding;

constexpr std::chrono::milliseconds kDrain{5'000};
constexpr std::chrono::seconds kRetryAfter{1};
constexpr std::string_view kExportMethod =
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

std::optional<Encoding> EncodingOf(const net::HttpRequest& request) {
  const std::string type = net::MediaType(request.headers.Get("Content-Type"));
  for (const Encoding encoding : {Encoding::kProtobuf, Encoding::kJson}) {
    if (type == otlp::MediaTypeOf(encoding)) return encoding;
  }
  return std::nullopt;
}

net::HttpResponse Failure(int status, const Error& error, Encoding encoding) {
  net::HttpResponse response{.status = status};
  response.headers.Set("Content-Type", otlp::MediaTypeOf(encoding));
  const bool is_retryable = status == 429 || status == 503;
  if (is_retryable) response.headers.Set("Retry-After", std::to_string(kRetryAfter.count()));
  response.body =
      otlp::EncodeStatus(error, encoding, is_retryable ? std::optional(kRetryAfter) : std::nullopt);
  return response;
}

// What a sender is told when the pipeline says no: come again, or never.
Error Outward(const Error& error) {
  return {otlp::IsRetryable(error.code) ? Code::kUnavailable : Code::kInternal, error.message};
}

void WarnNoEffect(config::MapReader& reader, pipeline::Host& host,
                  std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (reader.Take(key) == nullptr) continue;
    host.logger.Warn("otlp", "configuration key has no effect", {{"key", key}});
  }
}

// Serving in the clear what was meant to be encrypted or guarded would be worse than not serving.
void RefuseKeys(config::MapReader& reader, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (reader.Take(key) != nullptr) {
      reader.Report(key, std::string(key) + " is not supported by this receiver");
    }
  }
}

OtlpReceiver::GrpcConfig ReadGrpc(const config::Node& node,
                                  const pipeline::CreateContext& context) {
  OtlpReceiver::GrpcConfig config;
  uint64_t message_mib = 0, streams = 0;
  config::MapReader reader(node, context.diagnostics);
  reader.Read("endpoint", config.endpoint);
  reader.Read("max_recv_msg_size_mib", message_mib);
  reader.Read("max_concurrent_streams", streams);
  config.auth = pipeline::ReadAuth(reader, context);
  RefuseKeys(reader, {"tls"});
  WarnNoEffect(reader, context.host,
               {"transport", "read_buffer_size", "write_buffer_size", "keepalive",
                "include_metadata", "middlewares"});
  reader.Finish();
  if (message_mib > 4096) reader.Report("max_recv_msg_size_mib", "must not be over 4096");
  if (message_mib > 0) config.message_bytes_max = message_mib << 20;
  if (streams > 0) config.concurrent_streams_max = streams;
  return config;
}

OtlpReceiver::HttpConfig ReadHttp(const config::Node& node,
                                  const pipeline::CreateContext& context) {
  OtlpReceiver::HttpConfig config;
  uint64_t bytes_max = 0;
  config::MapReader reader(node, context.diagnostics);
  reader.Read("endpoint", config.endpoint);
  reader.Read("metrics_url_path", config.metrics_path);
  reader.Read("max_request_body_size", bytes_max);
  config.auth = pipeline::ReadAuth(reader, context);
  RefuseKeys(reader, {"tls"});
  WarnNoEffect(reader, context.host,
               {"transport", "traces_url_path", "logs_url_path", "cors", "include_metadata",
                "response_headers", "compression_algorithms", "read_timeout", "read_header_timeout",
                "write_timeout", "idle_timeout", "keep_alives_enabled", "middlewares"});
  reader.Finish();
  if (bytes_max > 0) config.body_bytes_max = bytes_max;
  if (!config.metrics_path.starts_with('/')) config.metrics_path.insert(0, 1, '/');
  return config;
}

}  // namespace

struct OtlpReceiver::Probe {
  Probe(pipeline::Host& host, const std::string& name, std::string_view transport)
      : accepted(host.instruments.receiver_accepted->Bind(
            {{"receiver", name}, {"transport", transport}})),
        refused(host.instruments.receiver_refused->Bind(
            {{"receiver", name}, {"transport", transport}})),
        failed(host.instruments.receiver_failed->Bind(
            {{"receiver", name}, {"transport", transport}})) {}
  sdk::BoundCounter<uint64_t> accepted;
  sdk::BoundCounter<uint64_t> refused;
  sdk::BoundCounter<uint64_t> failed;
};

std::unique_ptr<pipeline::Receiver> OtlpReceiver::Create(const pipeline::CreateContext& context,
                                                         pipeline::Consumer& next) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  if (const config::Node* protocols = reader.Take("protocols")) {
    config::MapReader protocol_reader(*protocols, context.diagnostics);
    if (const config::Node* node = protocol_reader.TakeEvenNull("grpc")) {
      config.grpc = ReadGrpc(*node, context);
    }
    if (const config::Node* node = protocol_reader.TakeEvenNull("http")) {
      config.http = ReadHttp(*node, context);
    }
    protocol_reader.Finish();
  }
  reader.Finish();
  if (!config.grpc.has_value() && !config.http.has_value()) {
    context.diagnostics.Add(context.config.at,
                            fmt::format("receivers::{}: must specify at least one protocol when "
                                        "using the OTLP receiver",
                                        context.id.ToString()));
  }
  return std::make_unique<OtlpReceiver>(std::move(config), context.id.ToString(), context.host,
                                        next);
}

OtlpReceiver::OtlpReceiver(Config config, const std::string& name, pipeline::Host& host,
                           pipeline::Consumer& next)
    : config_(std::move(config)),
      next_(next),
      flow_(host.instruments, "receiver/" + name),
      grpc_probe_(std::make_unique<Probe>(host, name, "grpc")),
      http_probe_(std::make_unique<Probe>(host, name, "http")) {}

OtlpReceiver::~OtlpReceiver() { Stop(); }

base::Status OtlpReceiver::Start() {
  if (config_.grpc.has_value()) {
    ASSIGN_OR_RETURN(grpc_, net::GrpcServer::Bind(
                                {.listen_address = config_.grpc->endpoint,
                                 .methods = {std::string(kExportMethod)},
                                 .concurrent_streams_max = config_.grpc->concurrent_streams_max,
                                 .message_bytes_max = config_.grpc->message_bytes_max}));
    grpc_->Serve([this](net::GrpcRequest request, net::GrpcResponder responder) {
      HandleGrpc(std::move(request), std::move(responder));
    });
  }
  if (config_.http.has_value()) {
    ASSIGN_OR_RETURN(http_,
                     net::HttpServer::Bind({.listen_address = config_.http->endpoint,
                                            .body_bytes_max = config_.http->body_bytes_max}));
    http_->Serve([this](net::HttpRequest request, net::Responder responder) {
      HandleHttp(std::move(request), std::move(responder));
    });
  }
  return {};
}

void OtlpReceiver::Stop() {
  if (grpc_ != nullptr) grpc_->Stop(kDrain);
  if (http_ != nullptr) http_->Stop(kDrain);
}

void OtlpReceiver::HandleHttp(net::HttpRequest request, net::Responder responder) {
  if (request.path != config_.http->metrics_path) {
    return responder.Send(net::HttpResponse::Text(404, "404 page not found\n"));
  }
  if (request.method != "POST") {
    return responder.Send(
        net::HttpResponse::Text(405, "405 method not allowed, supported: [POST]"));
  }
  const std::optional<Encoding> encoding = EncodingOf(request);
  if (!encoding.has_value()) {
    return responder.Send(net::HttpResponse::Text(
        415, "415 unsupported media type, supported: [application/json, application/x-protobuf]"));
  }
  if (config_.http->auth != nullptr) {
    const base::Status status = config_.http->auth->Authenticate(
        [&](std::string_view name) { return std::string(request.headers.Get(name)); });
    if (!status.has_value()) return responder.Send(Failure(401, status.error(), *encoding));
  }
  http_->RunBlocking([this, encoding = *encoding, request = std::move(request),
                      responder = std::move(responder)]() mutable {
    responder.Send(Serve(std::move(request), encoding));
  });
}

net::HttpResponse OtlpReceiver::Serve(net::HttpRequest request, Encoding encoding) {
  base::Result<std::string> body =
      compress::Decode(request.headers.Get("Content-Encoding"), std::move(request.body),
                       config_.http->body_bytes_max);
  if (!body.has_value()) {
    const bool is_too_large = body.error().code == Code::kResourceExhausted;
    return Failure(is_too_large ? 413 : 400, {Code::kInvalidArgument, body.error().message},
                   encoding);
  }
  base::Result<otlp::Batch> batch = encoding == Encoding::kJson
                                        ? otlp::DecodeMetricsJson(*body)
                                        : otlp::DecodeMetrics(*std::move(body));
  if (!batch.has_value()) return Failure(400, batch.error(), encoding);
  if (const base::Status status = Pass(*std::move(batch), *http_probe_); !status.has_value()) {
    const Error error = Outward(status.error());
    return Failure(otlp::HttpStatusFromCode(error.code), error, encoding);
  }
  net::HttpResponse response{.status = 200};
  response.headers.Set("Content-Type", otlp::MediaTypeOf(encoding));
  response.body = otlp::EncodeExportResponse({}, encoding);
  return response;
}

void OtlpReceiver::HandleGrpc(net::GrpcRequest request, net::GrpcResponder responder) {
  if (config_.grpc->auth != nullptr) {
    const base::Status status = config_.grpc->auth->Authenticate(
        [&](std::string_view name) { return std::string(request.metadata.Get(name)); });
    if (!status.has_value()) return responder.Fail(status.error());
  }
  grpc_->RunBlocking(
      [this, request = std::move(request), responder = std::move(responder)]() mutable {
        base::Result<otlp::Batch> batch = otlp::DecodeMetrics(std::move(request.message));
        if (!batch.has_value()) return responder.Fail(std::move(batch).error());
        const base::Status status = Pass(*std::move(batch), *grpc_probe_);
        if (status.has_value()) {
          return responder.Send(otlp::EncodeExportResponse({}, Encoding::kProtobuf));
        }
        const Error error = Outward(status.error());
        std::string details;
        if (error.code == Code::kUnavailable) {
          details = otlp::EncodeStatus(error, Encoding::kProtobuf, kRetryAfter);
        }
        responder.Fail(error, std::move(details));
      });
}

base::Status OtlpReceiver::Pass(otlp::Batch batch, Probe& probe) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  flow_.In(points);
  base::Status status = next_.Consume(std::move(batch));
  if (status.has_value()) {
    probe.accepted.Add(points);
    flow_.Out(points);
  } else if (otlp::IsRetryable(status.error().code)) {
    probe.refused.Add(points);
    flow_.Lost("refused_to_sender", points);
  } else {
    probe.failed.Add(points);
    flow_.Lost("failed_downstream", points);
  }
  return status;
}

}  // namespace narthex::receivers
