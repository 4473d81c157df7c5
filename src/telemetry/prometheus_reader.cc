#include "telemetry/prometheus_reader.h"

#include "exposition/writer.h"
#include "telemetry/prometheus_page.h"

namespace narthex::telemetry {

base::Result<std::unique_ptr<PrometheusReader>> PrometheusReader::Start(
    sdk::MeterProvider& provider, Config config) {
  ASSIGN_OR_RETURN(auto server, net::HttpServer::Bind({.listen_address = config.listen_address}));
  std::unique_ptr<PrometheusReader> reader(
      new PrometheusReader(provider, std::move(config), std::move(server)));
  reader->server_->Serve([self = reader.get()](net::HttpRequest request, net::Responder responder) {
    responder.Send(self->Answer(request));
  });
  return reader;
}

PrometheusReader::PrometheusReader(sdk::MeterProvider& provider, Config config,
                                   std::unique_ptr<net::HttpServer> server)
    : provider_(provider), config_(std::move(config)), server_(std::move(server)) {}

PrometheusReader::~PrometheusReader() { Shutdown(); }

void PrometheusReader::Shutdown() { server_->Stop(std::chrono::seconds(1)); }

net::HttpResponse PrometheusReader::Answer(const net::HttpRequest& request) {
  if (request.path != "/metrics") return {.status = 404, .body = "metrics are at /metrics\n"};
  const bool is_open =
      request.headers.Get("Accept").find("application/openmetrics-text") != std::string_view::npos;
  const auto format = is_open ? exposition::Format::kOpenMetrics : exposition::Format::kText;
  net::HttpResponse response{.status = 200};
  response.headers.Set("Content-Type", exposition::ContentTypeOf(format));
  base::MutexLock lock(mutex_);
  provider_.Collect(config_.reader, batch_);
  response.body = RenderPrometheus(batch_, {.format = format,
                                            .with_suffixes = config_.with_suffixes,
                                            .with_scope = config_.with_scope,
                                            .with_target_info = config_.with_target_info});
  return response;
}

}  // namespace narthex::telemetry
