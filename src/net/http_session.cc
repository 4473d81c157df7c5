#include "net/http_session.h"

#include <cstdlib>
#include <utility>

#include "net/internal/token_source.h"
#include "net/internal/url_parts.h"

namespace narthex::net {
namespace {

using base::Code;
using base::Fail;
using internal::UrlParts;

constexpr int kRedirectsMax = 10;
constexpr int64_t kNsPerMs = 1'000'000;

bool IsRedirect(const HttpClientResponse& response) {
  switch (response.status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return !response.redirect_url.empty();
    default:
      return false;
  }
}

}  // namespace

std::string EnvironmentVariable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string ProxyFor(const config::ProxyConfig& proxy, std::string_view url,
                     const std::function<std::string(const char*)>& environment) {
  std::string address = proxy.url, excepted = proxy.no_proxy;
  const UrlParts parts = UrlParts::Of(url);
  if (proxy.from_environment) {
    const auto either = [&](const char* upper, const char* lower) {
      const std::string value = environment(upper);
      return value.empty() ? environment(lower) : value;
    };
    address = parts.scheme == "https" ? either("HTTPS_PROXY", "https_proxy")
                                      : either("HTTP_PROXY", "http_proxy");
    excepted = either("NO_PROXY", "no_proxy");
  }
  const bool excepts = proxy.from_environment || !excepted.empty();
  if (excepts && internal::IsLoopback(parts.host)) return "";
  return internal::IsExcepted(excepted, parts) ? "" : address;
}

bool IsSameParty(std::string_view from, std::string_view to) {
  const UrlParts a = UrlParts::Of(from), b = UrlParts::Of(to);
  if (a.host != b.host) return false;
  if (a.scheme == b.scheme) return a.port == b.port;
  return a.scheme == "http" && b.scheme == "https" && a.port == "80" && b.port == "443";
}

// A request until its last answer. One thread at a time.
struct HttpSession::Call {
  HttpClientRequest request;
  HttpClientCallback done;
  std::string first_url;
  int64_t deadline_ns = 0;
  int redirects = 0;
  std::string token;
  bool is_trusted = true;  // The present URL may have the credentials.
};

HttpSession::HttpSession(config::HttpClientConfig config, base::Env env, HttpClient& client)
    : config_(std::move(config)), env_(env), client_(client) {}

base::Result<std::shared_ptr<HttpSession>> HttpSession::Create(config::HttpClientConfig config,
                                                               base::Env env, base::Logger& log,
                                                               HttpClient& client) {
  std::shared_ptr<HttpSession> session(new HttpSession(std::move(config), env, client));
  if (session->config_.tls) {
    ASSIGN_OR_RETURN(session->tls_, TlsClient::Create(*session->config_.tls, env, log));
  }
  if (const auto& oauth2 = session->config_.oauth2) {
    std::shared_ptr<TlsClient> tls;
    if (oauth2->tls) {
      ASSIGN_OR_RETURN(tls, TlsClient::Create(*oauth2->tls, env, log));
    }
    session->tokens_ =
        std::make_shared<internal::TokenSource>(*oauth2, std::move(tls), env, client);
  }
  return session;
}

void HttpSession::Fetch(HttpClientRequest request, HttpClientCallback done) {
  auto call = std::make_shared<Call>();
  call->first_url = request.url;
  call->deadline_ns = env_.clock.MonotonicNs() + request.timeout.count() * kNsPerMs;
  call->request = std::move(request);
  call->done = std::move(done);
  if (tokens_ == nullptr) return Send(std::move(call));
  const std::chrono::milliseconds timeout = call->request.timeout;
  tokens_->Get(timeout, [self = shared_from_this(), call](base::Result<std::string> token) {
    if (!token) return call->done(std::unexpected(std::move(token).error()));
    call->token = *std::move(token);
    self->Send(call);
  });
}

void HttpSession::Send(std::shared_ptr<Call> call) {
  HttpClientRequest request = call->request;
  request.timeout =
      std::chrono::milliseconds((call->deadline_ns - env_.clock.MonotonicNs()) / kNsPerMs);
  if (request.timeout.count() <= 0) {
    return call->done(
        Fail(Code::kDeadlineExceeded, "{} {}: the time is up", request.method, request.url));
  }
  if (call->is_trusted) {
    if (base::Status status = AddCredentials(call->token, request); !status) {
      return call->done(std::unexpected(std::move(status).error()));
    }
  }
  request.tls = tls_;
  request.follow_redirects = false;
  request.proxy_url = ProxyFor(config_.proxy, request.url, &EnvironmentVariable);
  for (const auto& [name, value] : config_.proxy.connect_headers) {
    request.proxy_headers.Add(name, value);
  }
  client_.Fetch(std::move(request), [self = shared_from_this(), call = std::move(call)](
                                        base::Result<HttpClientResponse> response) mutable {
    self->Answer(std::move(call), std::move(response));
  });
}

void HttpSession::Answer(std::shared_ptr<Call> call, base::Result<HttpClientResponse> response) {
  if (!response || !config_.follow_redirects || !IsRedirect(*response)) {
    return call->done(std::move(response));
  }
  HttpClientRequest& request = call->request;
  if (++call->redirects > kRedirectsMax) {
    return call->done(Fail(Code::kFailedPrecondition, "{} {}: more than {} redirects",
                           request.method, call->first_url, kRedirectsMax));
  }
  // Once away, a way back does not bring them along either: who sent us there knows the address.
  call->is_trusted = call->is_trusted && IsSameParty(request.url, response->redirect_url);
  if (response->status <= 303 && request.method != "GET" && request.method != "HEAD") {
    request.method = "GET";
    request.body.clear();
  }
  request.url = std::move(response->redirect_url);
  Send(std::move(call));
}

base::Status HttpSession::AddCredentials(const std::string& token,
                                         HttpClientRequest& request) const {
  for (const config::HttpHeader& header : config_.headers) {
    for (const config::Secret& secret : header.values) {
      ASSIGN_OR_RETURN(const std::string value, internal::ReadSecret(env_.files, secret));
      request.headers.Add(header.name, value);
    }
  }
  if (config_.basic_auth) {
    ASSIGN_OR_RETURN(const std::string username,
                     internal::ReadSecret(env_.files, config_.basic_auth->username));
    ASSIGN_OR_RETURN(const std::string password,
                     internal::ReadSecret(env_.files, config_.basic_auth->password));
    request.headers.Set("Authorization", BasicAuthorization(username, password));
  } else if (config_.authorization) {
    ASSIGN_OR_RETURN(const std::string credentials,
                     internal::ReadSecret(env_.files, config_.authorization->credentials));
    request.headers.Set("Authorization", config_.authorization->type + " " + credentials);
  } else if (!token.empty()) {
    request.headers.Set("Authorization", token);
  }
  return {};
}

}  // namespace narthex::net
