#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/mutex.h"
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

// The text of the file at `path`, where relative paths in it start. Errors: kInvalidArgument with
// "<file>:<line>:<column>: …"; those of the certificates.
base::Result<WebConfig> ParseWebConfig(const std::string& text, const std::string& path,
                                       base::Env env, base::Logger& logger);

// The web configuration as its file has it now: passwords and headers are looked at again for every
// request, the certificates' files as net::TlsServer does. What chooses certificates stays as it
// was at the start. Thread-safe.
class WebGate {
 public:
  // An empty path is an empty configuration. Errors: those of ParseWebConfig and of the file.
  static base::Result<std::shared_ptr<WebGate>> Open(std::string path, base::Env env,
                                                     base::Logger& logger);

  // For new connections; null: in the clear.
  std::shared_ptr<net::TlsServer> tls() const { return tls_; }
  // `handler` for those who give a name and a password that are right, or for all where none are
  // asked for; 401 for others. Slow hashes are computed on the server's workers. While the file
  // cannot be read all get 500, as upstream has it, and the first of them a line in the log.
  net::HttpHandler Guard(net::HttpServer& server, net::HttpHandler handler);

 private:
  WebGate(std::string path, base::Env env, base::Logger& logger)
      : path_(std::move(path)), env_(env), logger_(logger) {}
  // Null while the file is no good.
  std::shared_ptr<const WebConfig> Current();

  const std::string path_;
  const base::Env env_;
  base::Logger& logger_;
  std::shared_ptr<net::TlsServer> tls_;
  base::Mutex mutex_;
  std::string seen_ GUARDED_BY(mutex_);  // The file, or why it cannot be read.
  std::shared_ptr<const WebConfig> config_ GUARDED_BY(mutex_);
};

}  // namespace narthex::server
