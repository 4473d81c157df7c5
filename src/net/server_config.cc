#include "net/server_config.h"

#include <algorithm>

namespace narthex::net {
namespace {

using std::chrono::milliseconds;

milliseconds ToMs(std::chrono::nanoseconds time) { return std::chrono::ceil<milliseconds>(time); }

// Sets `limit` where the file says something.
void Override(milliseconds& limit, std::chrono::nanoseconds wanted) {
  if (wanted.count() > 0) limit = ToMs(wanted);
}

base::Result<std::shared_ptr<TlsServer>> MakeTls(
    const std::optional<config::TlsServerConfig>& config, base::Env env, base::Logger& logger) {
  if (!config.has_value()) return std::shared_ptr<TlsServer>();
  return TlsServer::Create(*config, env, logger);
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::vector<std::string_view> SplitList(std::string_view list) {
  std::vector<std::string_view> items;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (item.starts_with(' ') || item.starts_with('\t')) item.remove_prefix(1);
    while (item.ends_with(' ') || item.ends_with('\t')) item.remove_suffix(1);
    if (!item.empty()) items.push_back(item);
  }
  return items;
}

// The rules, ready to be compared with.
class Cors {
 public:
  explicit Cors(config::CorsConfig config) : config_(std::move(config)) {
    for (std::string& origin : config_.allowed_origins) origin = Lower(origin);
    if (config_.allowed_headers.empty()) {
      config_.allowed_headers = {"accept", "content-type", "x-requested-with"};
    }
    config_.allowed_headers.push_back("origin");
    for (std::string& header : config_.allowed_headers) header = Lower(header);
    for (const std::string& header : config_.exposed_headers) {
      exposed_ += (exposed_.empty() ? "" : ", ") + header;
    }
  }

  static bool IsPreflight(const HttpRequest& request) {
    return request.method == "OPTIONS" && request.headers.Has("Access-Control-Request-Method");
  }

  HttpResponse AnswerPreflight(const HttpRequest& request) const {
    HttpResponse response{.status = 204};
    response.headers.Set("Vary",
                         "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    const std::string_view method = request.headers.Get("Access-Control-Request-Method");
    const std::string_view headers = request.headers.Get("Access-Control-Request-Headers");
    const bool is_method = method == "GET" || method == "POST" || method == "HEAD";
    if (!is_method || !AllowsHeaders(headers) || !Allow(request, response)) return response;
    response.headers.Set("Access-Control-Allow-Methods", method);
    if (!headers.empty()) response.headers.Set("Access-Control-Allow-Headers", headers);
    if (config_.max_age_s > 0) {
      response.headers.Set("Access-Control-Max-Age", std::to_string(config_.max_age_s));
    }
    return response;
  }

  void Annotate(const HttpRequest& request, HttpResponse& response) const {
    response.headers.Add("Vary", "Origin");
    if (!Allow(request, response)) return;
    if (!exposed_.empty()) response.headers.Set("Access-Control-Expose-Headers", exposed_);
  }

 private:
  // Allows the request's origin, where it may be.
  bool Allow(const HttpRequest& request, HttpResponse& response) const {
    const std::string_view origin = request.headers.Get("Origin");
    if (origin.empty() || !AllowsOrigin(Lower(origin))) return false;
    response.headers.Set("Access-Control-Allow-Origin", origin);
    response.headers.Set("Access-Control-Allow-Credentials", "true");
    return true;
  }

  bool AllowsOrigin(std::string_view origin) const {
    return std::ranges::any_of(config_.allowed_origins, [&](const std::string& allowed) {
      const size_t star = allowed.find('*');
      if (star == std::string::npos) return origin == allowed;
      const std::string_view head = std::string_view(allowed).substr(0, star);
      const std::string_view tail = std::string_view(allowed).substr(star + 1);
      return origin.size() >= head.size() + tail.size() && origin.starts_with(head) &&
             origin.ends_with(tail);
    });
  }

  bool AllowsHeaders(std::string_view list) const {
    const auto& allowed = config_.allowed_headers;
    if (std::ranges::find(allowed, "*") != allowed.end()) return true;
    return std::ranges::all_of(SplitList(list), [&](std::string_view header) {
      return std::ranges::find(allowed, Lower(header)) != allowed.end();
    });
  }

  config::CorsConfig config_;
  std::string exposed_;
};

}  // namespace

base::Result<HttpServer::Config> ServerConfigOf(const config::HttpServerConfig& config,
                                                base::Env env, base::Logger& logger) {
  HttpServer::Config out{.listen_address = config.endpoint};
  ASSIGN_OR_RETURN(out.tls, MakeTls(config.tls, env, logger));
  out.body_bytes_max = config.max_request_body_size;
  Override(out.header_timeout, config.read_header_timeout);
  Override(out.idle_timeout, config.idle_timeout);
  out.read_timeout = ToMs(config.read_timeout);
  out.write_timeout = ToMs(config.write_timeout);
  out.keep_alives = config.keep_alives;
  out.response_headers = config.response_headers;
  return out;
}

base::Result<GrpcServer::Config> ServerConfigOf(const config::GrpcServerConfig& config,
                                                base::Env env, base::Logger& logger) {
  GrpcServer::Config out{.listen_address = config.endpoint};
  ASSIGN_OR_RETURN(out.tls, MakeTls(config.tls, env, logger));
  out.message_bytes_max = config.max_recv_msg_size;
  out.buffered_bytes_max = std::max(out.buffered_bytes_max, 2 * out.message_bytes_max);
  out.concurrent_streams_max = config.max_concurrent_streams;
  Override(out.idle_timeout, config.max_connection_idle);
  out.age_max = ToMs(config.max_connection_age);
  out.age_grace = ToMs(config.max_connection_age_grace);
  out.ping_interval = ToMs(config.ping_interval);
  out.ping_timeout = ToMs(config.ping_timeout);
  out.ping_interval_min = ToMs(config.min_ping_interval);
  out.pings_without_streams = config.pings_without_streams;
  return out;
}

HttpHandler WithCors(config::CorsConfig config, HttpHandler handler) {
  if (config.allowed_origins.empty()) return handler;
  return [cors = std::make_shared<const Cors>(std::move(config)), handler = std::move(handler)](
             HttpRequest request, Responder responder) {
    if (Cors::IsPreflight(request)) return responder.Send(cors->AnswerPreflight(request));
    HttpRequest question;  // What of it the answer depends on.
    question.headers.Set("Origin", request.headers.Get("Origin"));
    handler(std::move(request),
            Responder([cors, question = std::move(question),
                       responder = std::move(responder)](HttpResponse response) mutable {
              cors->Annotate(question, response);
              responder.Send(std::move(response));
            }));
  };
}

}  // namespace narthex::net
