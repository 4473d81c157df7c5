#include "exporters/prometheus/exporter.h"

#include <algorithm>

#include "exposition/protobuf_writer.h"
#include "exposition/writer.h"
#include "net/server_config.h"

namespace narthex::exporters {
namespace {

using std::chrono::milliseconds;

// Expired series go this often at least, so that memory does not wait for a scrape.
constexpr milliseconds kExpireIntervalMax{15'000};

// Formats stand in the header in the order of the reader's liking, as Prometheus writes them.
Store::Page Negotiate(std::string_view accept, bool enable_open_metrics) {
  const size_t protobuf = accept.find("application/vnd.google.protobuf");
  const size_t open_metrics =
      enable_open_metrics ? accept.find("application/openmetrics-text") : accept.npos;
  const size_t text = accept.find("text/plain");
  return {.format = open_metrics != accept.npos ? exposition::Format::kOpenMetrics
                                                : exposition::Format::kText,
          .allow_utf8 = accept.find("escaping=allow-utf-8") != std::string_view::npos,
          .is_protobuf = protobuf < std::min(open_metrics, text)};
}

std::string ContentType(const Store::Page& page) {
  if (page.is_protobuf) {
    return std::string(exposition::ProtobufWriter::kContentType) +
           (page.allow_utf8 ? "; escaping=allow-utf-8" : "; escaping=underscores");
  }
  std::string type = page.allow_utf8 && page.format == exposition::Format::kText
                         ? "text/plain; version=1.0.0; charset=utf-8"
                         : std::string(exposition::ContentTypeOf(page.format));
  return type + (page.allow_utf8 ? "; escaping=allow-utf-8" : "; escaping=underscores");
}

}  // namespace

std::unique_ptr<pipeline::Exporter> PrometheusExporter::Create(
    const pipeline::CreateContext& context) {
  return std::make_unique<PrometheusExporter>(ReadPrometheusConfig(context), context.id.ToString(),
                                              context.host);
}

PrometheusExporter::PrometheusExporter(PrometheusConfig config, const std::string& name,
                                       pipeline::Host& host)
    : config_(std::move(config)),
      name_(name),
      env_(host.env),
      logger_(host.logger),
      flow_(host.instruments, "exporter/" + name),
      sent_(host.instruments.exporter_sent->Bind({{"exporter", name}})),
      refused_(host.meter
                   .CreateUInt64Counter("otelcol_exporter_refused_metric_points",
                                        "Number of metric points that could not be shown.",
                                        "{datapoints}")
                   ->Bind({{"exporter", name}})),
      store_(config_, host.env.clock) {}

base::Status PrometheusExporter::Start() {
  ASSIGN_OR_RETURN(net::HttpServer::Config config,
                   net::ServerConfigOf(config_.server, env_, logger_));
  config.workers = 1;
  ASSIGN_OR_RETURN(server_, net::HttpServer::Bind(std::move(config)));
  server_->Serve(net::WithCors(config_.server.cors,
                               [this](net::HttpRequest request, net::Responder responder) {
                                 Handle(std::move(request), std::move(responder));
                               }));
  ExpireLater();
  return {};
}

void PrometheusExporter::Stop() {
  if (server_ != nullptr) server_->Stop(milliseconds(1'000));
}

void PrometheusExporter::ExpireLater() {
  const auto interval = std::clamp(std::chrono::duration_cast<milliseconds>(config_.expiration / 4),
                                   milliseconds(100), kExpireIntervalMax);
  server_->RunAfter(interval, [this] {
    store_.Expire();
    ExpireLater();
  });
}

base::Status PrometheusExporter::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  flow_.In(points);
  const StoreCounts counts = store_.Update(batch);
  flow_.Out(counts.stored);
  sent_.Add(counts.stored);
  flow_.Lost("out_of_order", counts.out_of_order);
  flow_.Lost("type_clash", counts.type_clash);
  flow_.Lost("bad_name", counts.bad_name);
  flow_.Lost("unsupported", counts.unsupported);
  flow_.Lost("malformed", counts.malformed);
  if (counts.stored < points) refused_.Add(points - counts.stored);
  return {};
}

void PrometheusExporter::Handle(net::HttpRequest request, net::Responder responder) {
  if (request.path != "/metrics") {
    return responder.Send(net::HttpResponse::Text(404, "404 page not found\n"));
  }
  const Store::Page page = Negotiate(request.headers.Get("Accept"), config_.enable_open_metrics);
  server_->RunBlocking(
      [this, page, request = std::move(request), responder = std::move(responder)]() mutable {
        if (config_.auth != nullptr) {
          const base::Status status = config_.auth->Authenticate(
              [&](std::string_view name) { return std::string(request.headers.Get(name)); });
          if (!status.has_value()) {
            return responder.Send(net::HttpResponse::Text(401, status.error().message + "\n"));
          }
        }
        net::HttpResponse response{.status = 200};
        response.headers.Set("Content-Type", ContentType(page));
        store_.Expire();
        response.body = store_.Render(page);
        responder.Send(std::move(response));
      });
}

}  // namespace narthex::exporters
