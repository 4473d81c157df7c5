#include "exporters/prometheus/exporter.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "exposition/protobuf_writer.h"
#include "exposition/writer.h"
#include "net/server_config.h"

namespace narthex::exporters {
namespace {

using std::chrono::milliseconds;

// Expired series go this often at least, so that memory does not wait for a scrape.
constexpr milliseconds kExpireIntervalMax{15'000};

// One entry of an Accept header.
struct Wish {
  std::string_view media;
  std::string_view parameters;
  double weight = 1;
};

Wish ReadWish(std::string_view entry) {
  Wish wish;
  const size_t semicolon = std::min(entry.find(';'), entry.size());
  wish.media = base::Trim(entry.substr(0, semicolon), " \t");
  wish.parameters = entry.substr(semicolon);
  for (std::string_view rest = wish.parameters; !rest.empty();) {
    rest.remove_prefix(1);  // The semicolon.
    const size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view parameter = base::Trim(rest.substr(0, end), " \t");
    if (parameter.starts_with("q=")) {
      const std::string_view number = parameter.substr(2);
      if (std::from_chars(number.data(), number.data() + number.size(), wish.weight).ec !=
          std::errc()) {
        wish.weight = 0;
      }
    }
    rest.remove_prefix(end);
  }
  return wish;
}

// The heaviest wish that can be granted, the first of equals; text where there is none.
Store::Page Negotiate(std::string_view accept, bool enable_open_metrics) {
  Store::Page page;
  double best = 0;
  while (!accept.empty()) {
    const size_t comma = std::min(accept.find(','), accept.size());
    const Wish wish = ReadWish(accept.substr(0, comma));
    accept.remove_prefix(std::min(comma + 1, accept.size()));
    const bool is_protobuf =
        wish.media == "application/vnd.google.protobuf" &&
        wish.parameters.find("io.prometheus.client.MetricFamily") != std::string_view::npos &&
        wish.parameters.find("delimited") != std::string_view::npos;
    const bool is_open = enable_open_metrics && wish.media == "application/openmetrics-text";
    if (wish.weight <= best || (!is_protobuf && !is_open && wish.media != "text/plain")) continue;
    best = wish.weight;
    page = {.format = is_open ? exposition::Format::kOpenMetrics : exposition::Format::kText,
            .is_protobuf = is_protobuf,
            .allow_utf8 = wish.parameters.find("escaping=allow-utf-8") != std::string_view::npos};
  }
  return page;
}

std::string ContentType(const Store::Page& page) {
  std::string type;
  if (page.is_protobuf) {
    type = exposition::ProtobufContentType();
  } else if (page.allow_utf8 && page.format == exposition::Format::kText) {
    type = "text/plain; version=1.0.0; charset=utf-8";
  } else {
    type = exposition::ContentTypeOf(page.format);
  }
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
          const auto identity = config_.auth->Authenticate(
              [&](std::string_view name) { return std::string(request.headers.Get(name)); });
          if (!identity.has_value()) {
            return responder.Send(net::HttpResponse::Text(401, identity.error().message + "\n"));
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
