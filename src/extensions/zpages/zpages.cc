#include "extensions/zpages/zpages.h"

#include <array>
#include <map>

#include "base/time_format.h"
#include "exposition/parser.h"
#include "model/duration.h"
#include "net/server_config.h"

namespace narthex::extensions {
namespace {

// What came into a component, what it has done its work on, what it holds, and what ended there.
struct Flow {
  double in = 0, out = 0, waiting = 0, lost = 0;
};

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<style>body{{font-family:sans-serif;margin:2em}}table{{border-collapse:collapse}}"
      "td,th{{border:1px solid #999;padding:.3em .6em;text-align:left}}"
      "td.n{{text-align:right}}</style></head>\n"
      "<body><h1>{0}</h1>\n{1}<p><a href=\"/debug/servicez\">service</a> "
      "<a href=\"/debug/pipelinez\">pipelines</a> "
      "<a href=\"/debug/extensionz\">extensions</a></p></body></html>\n",
      title, body);
}

// By component, from the collector's page about itself.
std::map<std::string, Flow> ReadFlows(const std::string& page) {
  std::map<std::string, Flow> flows;
  exposition::Parser parser(page, exposition::Format::kText);
  while (const auto entry = parser.Next().value_or(std::nullopt)) {
    if (*entry != exposition::Parser::Entry::kSeries) continue;
    const auto labels = parser.Labels();
    if (!labels.has_value()) continue;
    const std::string_view name = labels->Get("__name__");
    Flow& flow = flows[std::string(labels->Get("component"))];
    if (name.starts_with("narthex_points_in")) flow.in += parser.value();
    if (name.starts_with("narthex_points_out")) flow.out += parser.value();
    if (name.starts_with("narthex_points_waiting")) flow.waiting += parser.value();
    if (name.starts_with("narthex_points_lost")) flow.lost += parser.value();
  }
  return flows;
}

std::string FlowRow(std::string_view kind, const std::string& id,
                    const std::map<std::string, Flow>& flows) {
  const auto found = flows.find(fmt::format("{}/{}", kind, id));
  const Flow flow = found == flows.end() ? Flow() : found->second;
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}"
      "</td><td class=\"n\">{}</td></tr>\n",
      kind, Escape(id), flow.in, flow.out, flow.waiting, flow.lost);
}

}  // namespace

std::unique_ptr<pipeline::Extension> ZPages::Create(const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  context.WarnWithoutEffect(config::ReadHttpServer(reader, context.diagnostics, config.server));
  reader.Refuse({"auth"}, "is not supported");
  if (const config::Node* expvar = reader.Take("expvar", "Is not there")) {
    bool is_enabled = false;
    config::MapReader inner(*expvar, context.diagnostics);
    inner.Read("enabled", is_enabled, "`true` is refused");
    inner.Finish();
    if (is_enabled) inner.Report("enabled", "is not supported");
  }
  reader.Finish();
  if (config.server.endpoint.empty()) reader.Report("endpoint", "\"endpoint\" is required");
  return std::make_unique<ZPages>(std::move(config), context.host);
}

base::Status ZPages::Start() {
  started_ms_ = host_.env.clock.WallMs();
  ASSIGN_OR_RETURN(net::HttpServer::Config config,
                   net::ServerConfigOf(config_.server, host_.env, host_.logger));
  config.workers = 1;
  ASSIGN_OR_RETURN(server_, net::HttpServer::Bind(std::move(config)));
  server_->Serve(net::WithCors(
      config_.server.cors, [this](net::HttpRequest request, net::Responder responder) {
        server_->RunBlocking(
            [this, request = std::move(request), responder = std::move(responder)]() mutable {
              responder.Send(Answer(request));
            });
      }));
  return {};
}

void ZPages::Stop() {
  if (server_ != nullptr) server_->Stop(std::chrono::milliseconds(1000));
}

net::HttpResponse ZPages::Answer(const net::HttpRequest& request) const {
  std::string page;
  if (request.path == "/debug/pipelinez") {
    page = PipelinePage();
  } else if (request.path == "/debug/servicez") {
    page = ServicePage();
  } else if (request.path == "/debug/extensionz") {
    page = ExtensionPage();
  } else {
    return net::HttpResponse::Text(404, "404 page not found\n");
  }
  net::HttpResponse response{.status = 200};
  response.headers.Set("Content-Type", "text/html; charset=utf-8");
  response.body = std::move(page);
  return response;
}

std::string ZPages::PipelinePage() const {
  const std::map<std::string, Flow> flows =
      ReadFlows(host_.self_page ? host_.self_page() : std::string());
  std::string body;
  for (const pipeline::Outline::Pipeline& pipeline : outline_.pipelines) {
    body += fmt::format(
        "<h2>{}</h2>\n<table><tr><th>kind</th><th>component</th><th>points in</th>"
        "<th>out</th><th>waiting</th><th>lost</th></tr>\n",
        Escape(pipeline.id));
    for (const std::string& id : pipeline.receivers) body += FlowRow("receiver", id, flows);
    for (const std::string& id : pipeline.processors) body += FlowRow("processor", id, flows);
    for (const std::string& id : pipeline.exporters) body += FlowRow("exporter", id, flows);
    body += "</table>\n";
  }
  body += "<p>A component in several pipelines counts for all of them together.</p>\n";
  return Page("Pipelines", body);
}

std::string ZPages::ServicePage() const {
  const int64_t now_ms = host_.env.clock.WallMs();
  return Page("Service", fmt::format("<table><tr><th>started</th><td>{}</td></tr>\n"
                                     "<tr><th>up for</th><td>{}</td></tr>\n"
                                     "<tr><th>pipelines</th><td>{}</td></tr>\n"
                                     "<tr><th>extensions</th><td>{}</td></tr></table>\n",
                                     base::FormatRfc3339(started_ms_),
                                     model::FormatDuration(now_ms - started_ms_),
                                     outline_.pipelines.size(), outline_.extensions.size()));
}

std::string ZPages::ExtensionPage() const {
  std::string body = "<ul>\n";
  for (const std::string& id : outline_.extensions) {
    body += fmt::format("<li>{}</li>\n", Escape(id));
  }
  return Page("Extensions", body + "</ul>\n");
}

}  // namespace narthex::extensions
