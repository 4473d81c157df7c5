#include "server/web_config.h"

#include <algorithm>

#include "config/tls.h"
#include "config/yaml.h"

namespace narthex::server {
namespace {

using base::Code;

// The headers that upstream lets a file set.
constexpr std::string_view kHeaders[] = {
    "Content-Security-Policy", "X-Frame-Options",           "X-Content-Type-Options",
    "X-XSS-Protection",        "Strict-Transport-Security",
};

void ReadHeaders(const config::Node& node, config::Diagnostics& diagnostics, WebConfig& config) {
  bool http2 = true;
  config::MapReader reader(node, diagnostics);
  reader.Read("http2", http2);
  if (const config::Node* headers = reader.Take("headers")) {
    for (const auto& [key, value] : headers->members) {
      const bool is_text = std::ranges::none_of(
          value.scalar, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
      if (std::ranges::find(kHeaders, key.scalar) == std::end(kHeaders)) {
        diagnostics.Add(key.at,
                        fmt::format("HTTP header \"{}\" can not be configured", key.scalar));
      } else if (!is_text || !value.is_scalar()) {
        diagnostics.Add(value.at, fmt::format("{}: not the value of a header", key.scalar));
      }
      if (!value.scalar.empty()) config.headers.emplace_back(key.scalar, value.scalar);
    }
  }
  reader.Finish();
}

std::shared_ptr<const net::Passwords> ReadUsers(const config::Node& node,
                                                config::Diagnostics& diagnostics) {
  auto passwords = std::make_shared<net::Passwords>();
  if (!node.is_map()) diagnostics.Add(node.at, "basic_auth_users: must be a map");
  for (const auto& [key, value] : node.members) {
    // Upstream takes bcrypt only, and a password in the clear would be taken for a hash of one.
    if (!value.scalar.starts_with("$2")) {
      diagnostics.Add(value.at, fmt::format("basic_auth_users: the password of {} is not a bcrypt "
                                            "hash",
                                            key.scalar));
    }
    if (const base::Status status = passwords->Add(key.scalar, value.scalar); !status.has_value()) {
      diagnostics.Add(value.at, status.error().message);
    }
  }
  return passwords;
}

// As upstream: relative to the file that names them.
void Anchor(config::Pem& pem, const std::string& path) {
  if (!pem.file.empty() && !pem.file.starts_with('/')) {
    pem.file = base::JoinPath(base::ParentPath(path), pem.file);
  }
}

}  // namespace

base::Result<WebConfig> ParseWebConfig(const std::string& text, const std::string& path,
                                       base::Env env, base::Logger& logger) {
  WebConfig config;
  ASSIGN_OR_RETURN(const config::Node root, config::ParseYaml(text, path));
  config::Diagnostics diagnostics(path);
  config::MapReader reader(root, diagnostics);
  std::optional<config::TlsServerConfig> tls;
  if (const config::Node* node = reader.Take("tls_server_config")) {
    tls = config::ReadWebTls(*node, diagnostics);
    for (config::Pem* pem : {&tls->cert, &tls->key, &tls->client_ca}) Anchor(*pem, path);
  }
  if (const config::Node* node = reader.Take("http_server_config")) {
    ReadHeaders(*node, diagnostics, config);
  }
  if (const config::Node* node = reader.Take("basic_auth_users");
      node != nullptr && !node->members.empty()) {
    config.passwords = ReadUsers(*node, diagnostics);
  }
  if (reader.Take("rate_limit") != nullptr) reader.Report("rate_limit", "is not supported");
  reader.Finish();
  RETURN_IF_ERROR(diagnostics.ToStatus());
  if (tls.has_value()) {
    ASSIGN_OR_RETURN(config.tls, net::TlsServer::Create(*std::move(tls), env, logger));
  }
  return config;
}

base::Result<std::shared_ptr<WebGate>> WebGate::Open(std::string path, base::Env env,
                                                     base::Logger& logger) {
  std::shared_ptr<WebGate> gate(new WebGate(std::move(path), env, logger));
  WebConfig config;
  std::string text;
  if (!gate->path_.empty()) {
    ASSIGN_OR_RETURN(text, base::ReadFile(env.files, gate->path_));
    ASSIGN_OR_RETURN(config, ParseWebConfig(text, gate->path_, env, logger));
  }
  gate->tls_ = config.tls;
  base::MutexLock lock(gate->mutex_);
  gate->seen_ = std::move(text);
  gate->config_ = std::make_shared<const WebConfig>(std::move(config));
  return gate;
}

std::shared_ptr<const WebConfig> WebGate::Current() {
  const base::Result<std::string> text = base::ReadFile(env_.files, path_);
  const std::string& seen = text.has_value() ? *text : text.error().message;
  {
    base::MutexLock lock(mutex_);
    if (seen == seen_) return config_;
  }
  base::Result<WebConfig> read = text.has_value()
                                     ? ParseWebConfig(*text, path_, env_, logger_)
                                     : base::Result<WebConfig>(std::unexpected(text.error()));
  if (!read.has_value()) {
    logger_.Error("server", "the web configuration cannot be read; requests are refused",
                  {{"error", read.error().message}});
  }
  base::MutexLock lock(mutex_);
  seen_ = seen;
  config_ = read.has_value() ? std::make_shared<const WebConfig>(*std::move(read)) : nullptr;
  return config_;
}

net::HttpHandler WebGate::Guard(net::HttpServer& server, net::HttpHandler handler) {
  if (path_.empty()) return handler;
  return [this, &server, handler = std::move(handler)](net::HttpRequest request,
                                                       net::Responder bare) {
    const std::shared_ptr<const WebConfig> config = Current();
    if (config == nullptr)
      return bare.Send(net::HttpResponse::Text(500, "Internal Server Error\n"));
    net::Responder responder([config, bare = std::move(bare)](net::HttpResponse response) mutable {
      for (const auto& [name, value] : config->headers) {
        if (!response.headers.Has(name)) response.headers.Set(name, value);
      }
      bare.Send(std::move(response));
    });
    if (config->passwords == nullptr) return handler(std::move(request), std::move(responder));
    const std::string authorization(request.headers.Get("Authorization"));
    if (config->passwords->Remembers(authorization)) {
      return handler(std::move(request), std::move(responder));
    }
    server.RunBlocking([config, handler, authorization, request = std::move(request),
                        responder = std::move(responder)]() mutable {
      if (config->passwords->Accept(authorization)) {
        return handler(std::move(request), std::move(responder));
      }
      net::HttpResponse refusal = net::HttpResponse::Text(401, "Unauthorized\n");
      refusal.headers.Set("WWW-Authenticate", "Basic");
      responder.Send(std::move(refusal));
    });
  };
}

}  // namespace narthex::server
