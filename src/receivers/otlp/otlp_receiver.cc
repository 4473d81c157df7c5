#include "receivers/otlp/otlp_receiver.h"

#include "net/request_body.h"
#include "net/server_config.h"
#include "otlp/decode.h"
#include "otlp/items.h"
#include "otlp/json.h"
#include "pipeline/admission.h"
#include "receivers/otlp/validity.h"

namespace narthex::receivers {
namespace {

using base::Code;
using base::Error;
using otlp::Encoding;
using std::chrono::nanoseconds;

constexpr std::chrono::milliseconds kDrain{5'000};
// Where no server further on has said when to come again.
constexpr std::chrono::seconds kRetryAfter{1};
constexpr std::string_view kTracesMethod =
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr std::string_view kLogsMethod =
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

std::optional<Encoding> EncodingOf(const net::HttpRequest& request) {
  const std::string type = net::MediaType(request.headers.Get("Content-Type"));
  for (const Encoding encoding : {Encoding::kProtobuf, Encoding::kJson}) {
    if (type == otlp::MediaTypeOf(encoding)) return encoding;
  }
  return std::nullopt;
}

// What a sender is to wait: what the servers further on ask for, if they do.
nanoseconds DelayOf(nanoseconds asked) { return asked.count() > 0 ? asked : kRetryAfter; }

net::HttpResponse Failure(int status, const Error& error, Encoding encoding,
                          nanoseconds asked = {}) {
  net::HttpResponse response{.status = status};
  response.headers.Set("Content-Type", otlp::MediaTypeOf(encoding));
  std::optional<nanoseconds> delay;
  if (status == 429 || status == 503) {
    delay = DelayOf(asked);
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*delay);
    response.headers.Set("Retry-After", std::to_string(seconds.count()));
  }
  response.body = otlp::EncodeStatus(error, encoding, delay);
  return response;
}

// What a sender is told when the pipeline says no.
net::HttpResponse Refusal(const Error& error, Encoding encoding, nanoseconds asked) {
  const Error outward = otlp::OutwardError(error);
  return Failure(otlp::HttpStatusFromCode(outward.code), outward, encoding, asked);
}

net::HttpResponse BadBody(const Error& error, Encoding encoding) {
  const bool is_too_large = error.code == Code::kResourceExhausted;
  return Failure(is_too_large ? 413 : 400, {Code::kInvalidArgument, error.message}, encoding);
}

// Says no over gRPC; to those who should come again, also when.
void Fail(net::GrpcResponder& responder, const Error& error, nanoseconds asked) {
  const Error outward = otlp::OutwardError(error);
  std::string details;
  if (outward.code == Code::kUnavailable) {
    details = otlp::EncodeStatus(outward, Encoding::kProtobuf, DelayOf(asked));
  }
  responder.Fail(outward, std::move(details));
}

OtlpReceiver::GrpcConfig ReadGrpc(const config::Node& node,
                                  const pipeline::CreateContext& context) {
  OtlpReceiver::GrpcConfig config;
  config::MapReader reader(node, context.diagnostics);
  context.WarnWithoutEffect(config::ReadGrpcServer(reader, context.diagnostics, config.server));
  config.auth = pipeline::ReadAuth(reader, context);
  reader.Finish();
  return config;
}

OtlpReceiver::HttpConfig ReadHttp(const config::Node& node,
                                  const pipeline::CreateContext& context) {
  OtlpReceiver::HttpConfig config;
  config::MapReader reader(node, context.diagnostics);
  context.WarnWithoutEffect(config::ReadHttpServer(reader, context.diagnostics, config.server));
  reader.Read("metrics_url_path", config.metrics_path, "Where metrics are taken");
  config.auth = pipeline::ReadAuth(reader, context);
  reader.Read("traces_url_path", config.traces_path, "Where traces are taken");
  reader.Read("logs_url_path", config.logs_path, "Where logs are taken");
  reader.Finish();
  for (std::string* path : {&config.metrics_path, &config.traces_path, &config.logs_path}) {
    if (!path->starts_with('/')) path->insert(0, 1, '/');
  }
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
  if (const config::Node* protocols = reader.Take("protocols", "At least one of the two")) {
    config::MapReader protocol_reader(*protocols, context.diagnostics);
    if (const config::Node* node =
            protocol_reader.TakeEvenNull("grpc", "Present, even empty: gRPC is served")) {
      config.grpc = ReadGrpc(*node, context);
    }
    if (const config::Node* node =
            protocol_reader.TakeEvenNull("http", "Present, even empty: HTTP is served")) {
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
      env_(host.env),
      logger_(host.logger),
      name_(name),
      meter_(host.meter),
      next_(next),
      flow_(host.instruments, "receiver/" + name),
      grpc_probe_(std::make_unique<Probe>(host, name, "grpc")),
      http_probe_(std::make_unique<Probe>(host, name, "http")) {}

OtlpReceiver::~OtlpReceiver() { Stop(); }

bool OtlpReceiver::Connect(pipeline::Signal signal, pipeline::Passage& next) {
  const bool is_traces = signal == pipeline::Signal::kTraces;
  const OtlpReceiver::HttpConfig http = config_.http.value_or(HttpConfig());
  const auto counter = [&](std::string_view outcome, std::string_view description) {
    return meter_
        .CreateUInt64Counter(
            fmt::format("otelcol_receiver_{}_{}", outcome, pipeline::ItemsOf(signal)), description,
            "{items}")
        ->Bind({{"receiver", name_}, {"transport", ""}});
  };
  ways_.emplace(signal,
                Way{.next = next,
                    .http_path = is_traces ? http.traces_path : http.logs_path,
                    .grpc_method = std::string(is_traces ? kTracesMethod : kLogsMethod),
                    .accepted = counter("accepted", "Items that were passed on."),
                    .refused = counter("refused", "Items that could not be passed on for now."),
                    .failed = counter("failed", "Items that were refused for good.")});
  return true;
}

void OtlpReceiver::Way::Count(size_t items, const base::Status& status) {
  if (status.has_value()) {
    accepted.Add(items);
  } else if (otlp::IsRetryable(status.error().code)) {
    refused.Add(items);
  } else {
    failed.Add(items);
  }
}

base::Status OtlpReceiver::Start() {
  if (config_.grpc.has_value()) {
    ASSIGN_OR_RETURN(net::GrpcServer::Config config,
                     net::ServerConfigOf(config_.grpc->server, env_, logger_));
    config.methods = {std::string(otlp::kExportMethod)};
    for (const auto& [signal, way] : ways_) config.methods.push_back(way.grpc_method);
    ASSIGN_OR_RETURN(grpc_, net::GrpcServer::Bind(std::move(config)));
    grpc_->Serve([this](net::GrpcRequest request, net::GrpcResponder responder) {
      HandleGrpc(std::move(request), std::move(responder));
    });
  }
  if (config_.http.has_value()) {
    ASSIGN_OR_RETURN(net::HttpServer::Config config,
                     net::ServerConfigOf(config_.http->server, env_, logger_));
    ASSIGN_OR_RETURN(http_, net::HttpServer::Bind(std::move(config)));
    http_->Serve(net::WithCors(config_.http->server.cors,
                               [this](net::HttpRequest request, net::Responder responder) {
                                 HandleHttp(std::move(request), std::move(responder));
                               }));
  }
  return {};
}

void OtlpReceiver::Stop() {
  if (grpc_ != nullptr) grpc_->Stop(kDrain);
  if (http_ != nullptr) http_->Stop(kDrain);
}

void OtlpReceiver::HandleHttp(net::HttpRequest request, net::Responder responder) {
  for (auto& [signal, way] : ways_) {
    if (request.path == way.http_path) {
      return PassHttp(signal, way, std::move(request), std::move(responder));
    }
  }
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
  http_->RunBlocking([this, encoding = *encoding, request = std::move(request),
                      responder = std::move(responder)]() mutable {
    responder.Send(Serve(std::move(request), encoding));
  });
}

base::Result<otlp::ClientPointer> OtlpReceiver::AdmitHttp(const net::HttpRequest& request) const {
  return pipeline::Admit(config_.http->auth, config_.http->server.include_metadata,
                         request.headers.fields(), request.peer);
}

base::Result<otlp::ClientPointer> OtlpReceiver::AdmitGrpc(const net::GrpcRequest& request) const {
  return pipeline::Admit(config_.grpc->auth, config_.grpc->server.include_metadata,
                         request.metadata.fields(), request.peer);
}

void OtlpReceiver::PassHttp(pipeline::Signal signal, Way& way, net::HttpRequest request,
                            net::Responder responder) {
  if (request.method != "POST") {
    return responder.Send(
        net::HttpResponse::Text(405, "405 method not allowed, supported: [POST]"));
  }
  const std::optional<Encoding> wanted = EncodingOf(request);
  const bool takes_json = way.next.TakesJson();
  if (!wanted.has_value() || (*wanted == Encoding::kJson && !takes_json)) {
    return responder.Send(net::HttpResponse::Text(
        415,
        fmt::format("415 unsupported media type, supported: [{}application/x-protobuf]{}",
                    takes_json ? "application/json, " : "",
                    wanted.has_value() ? "; this pipeline leads over gRPC, where JSON does not "
                                         "go"
                                       : "")));
  }
  http_->RunBlocking([this, signal, &way, encoding = *wanted, request = std::move(request),
                      responder = std::move(responder)]() mutable {
    base::Result<otlp::ClientPointer> client = AdmitHttp(request);
    if (!client.has_value()) return responder.Send(Failure(401, client.error(), encoding));
    base::Result<std::string> body = net::DecodeBody(request, config_.http->server);
    if (!body.has_value()) return responder.Send(BadBody(body.error(), encoding));
    const base::Result<size_t> items =
        encoding == Encoding::kJson ? otlp::CountItemsJson(*body) : otlp::CountItems(*body);
    if (!items.has_value()) return responder.Send(Failure(400, items.error(), encoding));
    way.next.Pass(
        {.signal = signal,
         .encoding = encoding,
         .bytes = *std::move(body),
         .items = *items,
         .client = *std::move(client)},
        [&way, encoding, items = *items,
         responder = std::move(responder)](pipeline::PassedAnswer answer) mutable {
          way.Count(items, answer.status);
          if (!answer.status.has_value()) {
            return responder.Send(Refusal(answer.status.error(), encoding, answer.retry_after));
          }
          net::HttpResponse response{.status = 200};
          response.headers.Set("Content-Type", otlp::MediaTypeOf(encoding));
          response.body = std::move(answer.response);
          responder.Send(std::move(response));
        });
  });
}

void OtlpReceiver::PassGrpc(pipeline::Signal signal, Way& way, net::GrpcRequest request,
                            otlp::ClientPointer client, net::GrpcResponder responder) {
  const base::Result<size_t> items = otlp::CountItems(request.message);
  if (!items.has_value()) return responder.Fail(items.error());
  way.next.Pass({.signal = signal,
                 .encoding = Encoding::kProtobuf,
                 .bytes = std::move(request.message),
                 .items = *items,
                 .client = std::move(client)},
                [&way, items = *items,
                 responder = std::move(responder)](pipeline::PassedAnswer answer) mutable {
                  way.Count(items, answer.status);
                  if (answer.status.has_value()) return responder.Send(std::move(answer.response));
                  Fail(responder, answer.status.error(), answer.retry_after);
                });
}

net::HttpResponse OtlpReceiver::Serve(net::HttpRequest request, Encoding encoding) {
  base::Result<otlp::ClientPointer> client = AdmitHttp(request);
  if (!client.has_value()) return Failure(401, client.error(), encoding);
  base::Result<std::string> body = net::DecodeBody(request, config_.http->server);
  if (!body.has_value()) return BadBody(body.error(), encoding);
  base::Result<otlp::Batch> batch = encoding == Encoding::kJson
                                        ? otlp::DecodeMetricsJson(*body)
                                        : otlp::DecodeMetrics(*std::move(body));
  if (!batch.has_value()) return Failure(400, batch.error(), encoding);
  batch->client = *std::move(client);
  const auto throttle = batch->throttle = std::make_shared<otlp::Throttle>();
  const base::Result<otlp::PartialSuccess> taken = Pass(*std::move(batch), *http_probe_);
  if (!taken.has_value()) return Refusal(taken.error(), encoding, throttle->delay());
  net::HttpResponse response{.status = 200};
  response.headers.Set("Content-Type", otlp::MediaTypeOf(encoding));
  response.body = otlp::EncodeExportResponse(*taken, encoding);
  return response;
}

void OtlpReceiver::HandleGrpc(net::GrpcRequest request, net::GrpcResponder responder) {
  grpc_->RunBlocking([this, request = std::move(request),
                      responder = std::move(responder)]() mutable {
    base::Result<otlp::ClientPointer> client = AdmitGrpc(request);
    if (!client.has_value()) return responder.Fail(std::move(client).error());
    for (auto& [signal, way] : ways_) {
      if (request.method == way.grpc_method) {
        return PassGrpc(signal, way, std::move(request), *std::move(client), std::move(responder));
      }
    }
    base::Result<otlp::Batch> batch = otlp::DecodeMetrics(std::move(request.message));
    if (!batch.has_value()) return responder.Fail(std::move(batch).error());
    batch->client = *std::move(client);
    const auto throttle = batch->throttle = std::make_shared<otlp::Throttle>();
    const base::Result<otlp::PartialSuccess> taken = Pass(*std::move(batch), *grpc_probe_);
    if (taken.has_value()) {
      return responder.Send(otlp::EncodeExportResponse(*taken, Encoding::kProtobuf));
    }
    Fail(responder, taken.error(), throttle->delay());
  });
}

base::Result<otlp::PartialSuccess> OtlpReceiver::Pass(otlp::Batch batch, Probe& probe) {
  flow_.In(batch.point_count());
  otlp::PartialSuccess partial = DropInvalid(batch);
  if (const auto rejected = static_cast<size_t>(partial.rejected_points); rejected > 0) {
    probe.failed.Add(rejected);
    flow_.Lost("invalid", rejected);
  }
  const size_t points = batch.point_count();
  if (points == 0) return partial;
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
  if (!status.has_value()) return std::unexpected(std::move(status).error());
  return partial;
}

}  // namespace narthex::receivers
