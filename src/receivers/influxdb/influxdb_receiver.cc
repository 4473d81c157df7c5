#include "receivers/influxdb/influxdb_receiver.h"

#include <optional>

#include "net/request_body.h"
#include "net/server_config.h"
#include "otlp/decode.h"
#include "otlp/response.h"
#include "pipeline/admission.h"
#include "receivers/influxdb/points.h"

namespace narthex::receivers {
namespace {

using base::Code;

constexpr std::chrono::milliseconds kDrain{5'000};

// "ns" and the other spellings of both versions of InfluxDB's interface.
std::optional<int64_t> UnitOf(std::string_view precision) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"", 1},      {"n", 1},      {"ns", 1},         {"u", 1'000},        {"us", 1'000},
      {"µ", 1'000}, {"µs", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
  for (const auto& [name, unit_ns] : kUnits) {
    if (precision == name) return unit_ns;
  }
  return std::nullopt;
}

net::HttpResponse Refusal(const base::Error& error) {
  return net::HttpResponse::Text(error.code == Code::kUnauthenticated ? 401 : 400, error.message);
}

sdk::BoundCounter<uint64_t> CounterOf(pipeline::Host& host, std::string_view name,
                                      std::string_view description, std::string_view unit,
                                      const std::string& receiver) {
  return host.meter.CreateUInt64Counter(name, description, unit)->Bind({{"receiver", receiver}});
}

}  // namespace

std::unique_ptr<pipeline::Receiver> InfluxDbReceiver::Create(const pipeline::CreateContext& context,
                                                             pipeline::Consumer& next) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  context.WarnWithoutEffect(config::ReadHttpServer(reader, context.diagnostics, config.server));
  config.auth = pipeline::ReadAuth(reader, context);
  reader.Finish();
  return std::make_unique<InfluxDbReceiver>(std::move(config), context.id.ToString(), context.host,
                                            next);
}

InfluxDbReceiver::InfluxDbReceiver(Config config, const std::string& name, pipeline::Host& host,
                                   pipeline::Consumer& next)
    : config_(std::move(config)),
      env_(host.env),
      logger_(host.logger),
      next_(next),
      flow_(host.instruments, "receiver/" + name),
      accepted_(
          host.instruments.receiver_accepted->Bind({{"receiver", name}, {"transport", "http"}})),
      refused_(
          host.instruments.receiver_refused->Bind({{"receiver", name}, {"transport", "http"}})),
      failed_(host.instruments.receiver_failed->Bind({{"receiver", name}, {"transport", "http"}})),
      lines_(CounterOf(host, "narthex_influxdb_lines", "Points of the line protocol that came.",
                       "{lines}", name)),
      bad_requests_(CounterOf(host, "narthex_influxdb_bad_requests",
                              "Requests that could not be read.", "{requests}", name)) {}

base::Status InfluxDbReceiver::Start() {
  ASSIGN_OR_RETURN(net::HttpServer::Config config,
                   net::ServerConfigOf(config_.server, env_, logger_));
  ASSIGN_OR_RETURN(server_, net::HttpServer::Bind(std::move(config)));
  server_->Serve(net::WithCors(config_.server.cors,
                               [this](net::HttpRequest request, net::Responder responder) {
                                 Handle(std::move(request), std::move(responder));
                               }));
  return {};
}

void InfluxDbReceiver::Stop() {
  if (server_ != nullptr) server_->Stop(kDrain);
}

void InfluxDbReceiver::Handle(net::HttpRequest request, net::Responder responder) {
  if (request.path == "/ping") return responder.Send({.status = 204});
  if (request.path != "/write" && request.path != "/api/v2/write") {
    return responder.Send(net::HttpResponse::Text(404, "404 page not found\n"));
  }
  if (request.method != "POST") {
    return responder.Send(
        net::HttpResponse::Text(405, "405 method not allowed, supported: [POST]"));
  }
  server_->RunBlocking(
      [this, request = std::move(request), responder = std::move(responder)]() mutable {
        responder.Send(Write(std::move(request)));
      });
}

net::HttpResponse InfluxDbReceiver::Write(net::HttpRequest request) {
  const auto refuse = [&](const base::Error& error) {
    bad_requests_.Add(1);
    return Refusal(error);
  };
  const base::Result<otlp::ClientPointer> client = pipeline::Admit(
      config_.auth, config_.server.include_metadata, request.headers.fields(), request.peer);
  if (!client.has_value()) return refuse(client.error());
  const base::Result<net::Params> params = net::Params::Parse(request.query);
  if (!params.has_value()) return refuse(params.error());
  const std::string_view precision = params->Get("precision");
  const std::optional<int64_t> unit_ns = UnitOf(precision);
  if (!unit_ns.has_value()) {
    return refuse({Code::kInvalidArgument, fmt::format("unrecognized precision '{}'", precision)});
  }
  const base::Result<std::string> body = net::DecodeBody(request, config_.server);
  if (!body.has_value()) {
    bad_requests_.Add(1);
    return net::HttpResponse::Text(body.error().code == Code::kResourceExhausted ? 413 : 400,
                                   body.error().message);
  }
  base::Result<std::string> metrics = Translate(*body, *unit_ns);
  if (!metrics.has_value()) return refuse(metrics.error());
  otlp::Batch batch = *otlp::DecodeMetrics(*std::move(metrics));
  batch.client = *client;
  const base::Status status = Pass(std::move(batch));
  if (status.has_value()) return {.status = 204};
  // What may be sent again is told so by 500: that is what InfluxDB's clients go by.
  return net::HttpResponse::Text(otlp::IsRetryable(status.error().code) ? 500 : 400,
                                 status.error().message);
}

base::Result<std::string> InfluxDbReceiver::Translate(std::string_view text, int64_t unit_ns) {
  InfluxPoints points(static_cast<uint64_t>(env_.clock.WallNs()), unit_ns);
  InfluxReader reader(text);
  size_t lines = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<InfluxLine> line, reader.Next());
    if (!line.has_value()) break;
    ++lines;
    if (const base::Status status = points.Add(*line); !status.has_value()) {
      return base::Fail(status.error().code, "line {}: {}", reader.line(), status.error().message);
    }
  }
  lines_.Add(lines);
  return points.Take();
}

base::Status InfluxDbReceiver::Pass(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  flow_.In(points);
  base::Status status = next_.Consume(std::move(batch));
  if (status.has_value()) {
    accepted_.Add(points);
    flow_.Out(points);
  } else if (otlp::IsRetryable(status.error().code)) {
    refused_.Add(points);
    flow_.Lost("refused_to_sender", points);
  } else {
    failed_.Add(points);
    flow_.Lost("failed_downstream", points);
  }
  return status;
}

}  // namespace narthex::receivers
