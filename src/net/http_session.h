#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/env.h"
#include "base/log.h"
#include "base/result.h"
#include "config/http_client.h"
#include "net/http_client.h"
#include "net/tls.h"

namespace narthex::net {

namespace internal {
class TokenSource;
}

// Who asks, as targets and places of discovery are told.
inline constexpr char kUserAgent[] = "Prometheus/3.14.0 (narthex)";

// Sends requests as an HTTP client block says: with its credentials, headers, certificates and
// proxy. Files are read at every request, so that changed secrets count at once. Redirects are
// followed up to ten times; what is on another host, or no longer encrypted, gets neither
// credentials nor the block's headers. Thread-safe. Source: Prometheus, configuration, http_config.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  // `client` outlives the session. Errors name the certificate that cannot be used.
  static base::Result<std::shared_ptr<HttpSession>> Create(config::HttpClientConfig config,
                                                           base::Env env, base::Logger& log,
                                                           HttpClient& client);

  // As HttpClient::Fetch; the request's own `tls`, `follow_redirects` and proxy are not looked at.
  // The request has no credentials of its own. Errors besides HttpClient's: kNotFound and others
  // for files that cannot be read, kUnauthenticated where no token is to be had.
  void Fetch(HttpClientRequest request, HttpClientCallback done);

 private:
  struct Call;
  HttpSession(config::HttpClientConfig config, base::Env env, HttpClient& client);

  void Send(std::shared_ptr<Call> call);
  void Answer(std::shared_ptr<Call> call, base::Result<HttpClientResponse> response);
  base::Status AddCredentials(const std::string& token, HttpClientRequest& request) const;

  const config::HttpClientConfig config_;
  const base::Env env_;
  HttpClient& client_;
  std::shared_ptr<TlsClient> tls_;
  std::shared_ptr<internal::TokenSource> tokens_;  // Where OAuth is configured.
};

// The proxy for a request to `url`; empty for none. `environment`: how a variable is looked up.
// Where hosts are excepted, this machine always is. Source: Go, golang.org/x/net/http/httpproxy.
std::string ProxyFor(const config::ProxyConfig& proxy, std::string_view url,
                     const std::function<std::string(const char*)>& environment);
// A variable of the process; empty where it is not set.
std::string EnvironmentVariable(const char* name);
// Whether a redirect from one URL to the other stays with the same party: the same host and port,
// or from http to https on their usual ports.
bool IsSameParty(std::string_view from, std::string_view to);

}  // namespace narthex::net
