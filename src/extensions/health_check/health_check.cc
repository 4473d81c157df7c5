#include "extensions/health_check/health_check.h"

#include "base/time_format.h"
#include "json/writer.h"
#include "model/duration.h"
#include "net/server_config.h"

namespace narthex::extensions {

std::unique_ptr<pipeline::Extension> HealthCheck::Create(const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  context.WarnWithoutEffect(config::ReadHttpServer(reader, context.diagnostics, config.server));
  reader.Refuse({"auth"}, "is not supported");
  reader.Read("path", config.path, "Where it answers");
  if (const config::Node* body = reader.Take("response_body", "Instead of the usual answer")) {
    config::MapReader body_reader(*body, context.diagnostics);
    body_reader.Read("healthy", config.healthy_body, "While the collector runs");
    body_reader.Read("unhealthy", config.unhealthy_body, "Until all components have started");
    body_reader.Finish();
  }
  context.WarnWithoutEffect(reader.TakeWithoutEffect({"check_collector_pipeline"}));
  reader.Finish();
  if (config.server.endpoint.empty()) reader.Report("endpoint", "must be specified");
  if (!config.path.starts_with('/')) reader.Report("path", "must start with /");
  return std::make_unique<HealthCheck>(std::move(config), context.host);
}

base::Status HealthCheck::Start() {
  started_wall_ms_ = host_.env.clock.WallMs();
  ASSIGN_OR_RETURN(net::HttpServer::Config config,
                   net::ServerConfigOf(config_.server, host_.env, host_.logger));
  ASSIGN_OR_RETURN(server_, net::HttpServer::Bind(std::move(config)));
  server_->Serve(net::WithCors(
      config_.server.cors, [this](const net::HttpRequest& request, net::Responder responder) {
        responder.Send(request.path == config_.path
                           ? Answer()
                           : net::HttpResponse::Text(404, "404 page not found\n"));
      }));
  return {};
}

void HealthCheck::Stop() {
  is_ready_ = false;
  if (server_ != nullptr) server_->Stop(std::chrono::milliseconds(1000));
}

net::HttpResponse HealthCheck::Answer() const {
  if (!is_ready_) {
    return config_.unhealthy_body.empty()
               ? net::HttpResponse::Json(503, R"({"status":"Server not available"})")
               : net::HttpResponse::Text(503, config_.unhealthy_body);
  }
  if (!config_.healthy_body.empty()) return net::HttpResponse::Text(200, config_.healthy_body);
  json::Writer writer;
  writer.BeginObject();
  writer.Key("status").String("Server available");
  writer.Key("upSince").String(base::FormatRfc3339(started_wall_ms_));
  writer.Key("uptime").String(model::FormatDuration(host_.env.clock.WallMs() - started_wall_ms_));
  writer.EndObject();
  return net::HttpResponse::Json(200, writer.Take());
}

}  // namespace narthex::extensions
