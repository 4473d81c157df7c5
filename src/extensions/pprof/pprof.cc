#include "extensions/pprof/pprof.h"

#include <charconv>

#include "extensions/pprof/cpu_profile.h"

namespace narthex::extensions {
namespace {

constexpr int kSecondsDefault = 30, kSecondsMax = 600;
constexpr std::string_view kIndex =
    "/debug/pprof/profile?seconds=30  processor time, for go tool pprof PROGRAM URL\n"
    "/debug/pprof/cmdline             the command line\n";

}  // namespace

std::unique_ptr<pipeline::Extension> Pprof::Create(const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("endpoint", config.endpoint, "`host:port` to listen on");
  reader.Refuse({"save_to_file"}, "is not supported");
  context.WarnWithoutEffect(
      reader.TakeWithoutEffect({"block_profile_fraction", "mutex_profile_fraction"}));
  reader.Finish();
  if (config.endpoint.empty()) reader.Report("endpoint", "\"endpoint\" is required");
  return std::make_unique<Pprof>(std::move(config), context.host);
}

base::Status Pprof::Start() {
  stopping_ = std::stop_source();
  ASSIGN_OR_RETURN(server_, net::HttpServer::Bind({.listen_address = config_.endpoint}));
  server_->Serve([this](net::HttpRequest request, net::Responder responder) {
    server_->RunBlocking(
        [this, request = std::move(request), responder = std::move(responder)]() mutable {
          responder.Send(Answer(request));
        });
  });
  return {};
}

void Pprof::Stop() {
  stopping_.request_stop();
  if (server_ != nullptr) server_->Stop(std::chrono::milliseconds(1000));
}

net::HttpResponse Pprof::Answer(const net::HttpRequest& request) const {
  if (request.path == "/debug/pprof/profile") return Profile(request);
  if (request.path == "/debug/pprof/cmdline") {
    auto line = base::ReadFile(env_.files, "/proc/self/cmdline");
    if (!line.has_value()) return net::HttpResponse::Text(500, line.error().message + "\n");
    while (line->ends_with('\0')) line->pop_back();
    return net::HttpResponse::Text(200, *std::move(line));
  }
  if (request.path == "/debug/pprof/" || request.path == "/debug/pprof") {
    return net::HttpResponse::Text(200, std::string(kIndex));
  }
  return net::HttpResponse::Text(404, "404 page not found; there are:\n" + std::string(kIndex));
}

net::HttpResponse Pprof::Profile(const net::HttpRequest& request) const {
  int seconds = kSecondsDefault;
  const auto params = net::Params::Parse(request.query);
  if (params.has_value() && params->Has("seconds")) {
    const std::string_view text = params->Get("seconds");
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || seconds < 1 ||
        seconds > kSecondsMax) {
      return net::HttpResponse::Text(400, "seconds must be a whole number from 1 to 600\n");
    }
  }
  // Whoever has gone away waits no more, and neither does a collector that stops.
  std::stop_source either;
  const std::stop_callback by_peer(request.stop, [&] { either.request_stop(); });
  const std::stop_callback by_stop(stopping_.get_token(), [&] { either.request_stop(); });
  auto profile = RecordCpuProfile(env_, std::chrono::seconds(seconds), either.get_token());
  if (!profile.has_value()) return net::HttpResponse::Text(503, profile.error().message + "\n");
  net::HttpResponse response{.status = 200};
  response.headers.Set("Content-Type", "application/octet-stream");
  response.headers.Set("Content-Disposition", "attachment; filename=\"profile\"");
  // It is compressed already, and pprof wants it so.
  response.headers.Set("Content-Encoding", "identity");
  response.body = *std::move(profile);
  return response;
}

}  // namespace narthex::extensions
