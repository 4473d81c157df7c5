#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/result.h"
#include "net/http_server.h"
#include "net/password.h"
#include "net/tls.h"

namespace narthex::server {

// What --web.config.file says: TLS, who may come in, and headers on every answer.
// Source: Prometheus, "HTTPS and authentication".
struct WebConfig {
  std::shared_ptr<net::TlsServer> tls;              // Null: in the clear.
  std::shared_ptr<const net::Passwords> passwords;  // Null: everybody may come in.
  std::vector<std::pair<std::string, std::string>> headers;
};

// An empty path is an empty configuration. Relative paths in the file start from its folder.
// Errors: kInvalidArgument with "<file>:<line>:<column>: …"; those of the certificates.
base::Result<WebConfig> ReadWebConfig(const std::string& path, base::Env env, base::Logger& logger);

// `handler` for those who give a name and a password that are right; 401 for others. Slow hashes
// are computed on the server's workers.
net::HttpHandler WithPasswords(std::shared_ptr<const net::Passwords> passwords,
                               net::HttpServer& server, net::HttpHandler handler);

}  // namespace narthex::server
