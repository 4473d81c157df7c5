#include "net/internal/token_source.h"

#include <limits>

#include "base/ascii.h"
#include "json/reader.h"
#include "net/http_session.h"
#include "net/internal/url_parts.h"

namespace narthex::net::internal {
namespace {

using base::Code;
using base::Fail;

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr size_t kAnswerBytesMax = 1 << 20;

struct Token {
  std::string type;
  std::string text;
  int64_t lifetime_ns = kForever;
};

base::Result<Token> ParseToken(const HttpClientResponse& response) {
  if (response.status < 200 || response.status > 299) {
    return Fail(Code::kUnauthenticated, "oauth2: cannot fetch token: {} {}", response.status,
                response.body.substr(0, 200));
  }
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(response.body));
  const json::Element root = document.root();
  Token token;
  token.type = root.Get("token_type").String().value_or("");
  token.text = root.Get("access_token").String().value_or("");
  if (token.text.empty()) {
    return Fail(Code::kUnauthenticated, "oauth2: server response missing access_token");
  }
  if (base::HasControlCharacters(token.type + token.text)) {
    return Fail(Code::kUnauthenticated, "oauth2: the token has control characters");
  }
  double seconds = root.Get("expires_in").Double().value_or(0);
  if (seconds > 0 && seconds < 1e9) {
    token.lifetime_ns = static_cast<int64_t>(seconds * static_cast<double>(kNsPerSecond));
  }
  if (token.type.empty() || token.type == "bearer") token.type = "Bearer";
  return token;
}

}  // namespace

base::Result<std::string> ReadSecret(base::FileSystem& files, const config::Secret& secret) {
  if (secret.file.empty()) return secret.text;
  ASSIGN_OR_RETURN(const std::string content, base::ReadFile(files, secret.file));
  std::string text(base::Trim(content));
  if (base::HasControlCharacters(text)) {
    return Fail(Code::kInvalidArgument, "{}: has control characters", secret.file);
  }
  return text;
}

base::Result<TokenSource::Credentials> TokenSource::ReadCredentials() const {
  Credentials credentials{.id = config_.client_id, .secret = {}};
  if (!options_.client_id_file.empty()) {
    base::Result<std::string> id =
        ReadSecret(env_.files, {.text = {}, .file = options_.client_id_file});
    if (!id) return std::unexpected(std::move(id).error().In("oauth2 client id"));
    credentials.id = *std::move(id);
  }
  base::Result<std::string> secret = ReadSecret(env_.files, config_.client_secret);
  if (!secret) return std::unexpected(std::move(secret).error().In("oauth2 client secret"));
  credentials.secret = *std::move(secret);
  return credentials;
}

void TokenSource::Get(std::chrono::milliseconds timeout, Callback done) {
  base::Result<Credentials> credentials = ReadCredentials();
  if (!credentials) return done(std::unexpected(std::move(credentials).error()));
  std::string header;
  bool in_header = true;
  {
    base::MutexLock lock(mutex_);
    if (credentials_ == *credentials && env_.clock.MonotonicNs() < expires_ns_) header = header_;
    if (header.empty()) {
      waiting_.push_back(std::move(done));
      if (is_asking_) return;
      is_asking_ = true;
      credentials_ = *credentials;
      in_header = in_header_.value_or(true);
    }
  }
  if (!header.empty()) return done(std::move(header));
  Ask(*std::move(credentials), in_header, timeout);
}

HttpClientRequest TokenSource::Request(const Credentials& credentials, bool in_header,
                                       std::chrono::milliseconds timeout) const {
  HttpClientRequest request{.method = "POST", .url = config_.token_url};
  request.timeout = timeout;
  request.response_bytes_max = kAnswerBytesMax;
  request.tls = tls_;
  request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  request.headers.Set("Accept", "application/json");
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!request.body.empty()) request.body += '&';
    request.body += PercentEncode(name) + '=' + PercentEncode(value);
  };
  add("grant_type", "client_credentials");
  std::string scopes;
  for (const std::string& scope : config_.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  if (!scopes.empty()) add("scope", scopes);
  for (const auto& [name, value] : config_.endpoint_params) add(name, value);
  if (in_header) {
    request.headers.Set("Authorization", BasicAuthorization(PercentEncode(credentials.id),
                                                            PercentEncode(credentials.secret)));
  } else {
    add("client_id", credentials.id);
    add("client_secret", credentials.secret);
  }
  request.proxy_url = ProxyFor(config_.proxy, request.url, &EnvironmentVariable);
  for (const auto& [name, value] : config_.proxy.connect_headers) {
    request.proxy_headers.Add(name, value);
  }
  return request;
}

void TokenSource::Ask(Credentials credentials, bool in_header, std::chrono::milliseconds timeout) {
  HttpClientRequest request = Request(credentials, in_header, timeout);
  client_.Fetch(std::move(request),
                [self = shared_from_this(), credentials = std::move(credentials), in_header,
                 timeout](const base::Result<HttpClientResponse>& response) {
                  self->Take(credentials, in_header, timeout, response);
                });
}

void TokenSource::Take(Credentials credentials, bool in_header, std::chrono::milliseconds timeout,
                       const base::Result<HttpClientResponse>& response) {
  if (!response) return Finish(std::unexpected(response.error()), 0);
  const base::Result<Token> token = ParseToken(*response);
  if (!token) {
    bool may_retry = false;
    {
      base::MutexLock lock(mutex_);
      may_retry = in_header && !in_header_.has_value();
      if (may_retry) in_header_ = false;
    }
    if (may_retry) return Ask(std::move(credentials), false, timeout);
    {
      // Nothing is known of a server that takes neither.
      base::MutexLock lock(mutex_);
      if (!in_header) in_header_.reset();
    }
    return Finish(std::unexpected(token.error()), 0);
  }
  {
    base::MutexLock lock(mutex_);
    in_header_ = in_header;
  }
  Finish(token->type + " " + token->text, token->lifetime_ns);
}

void TokenSource::Finish(base::Result<std::string> header, int64_t lifetime_ns) {
  std::vector<Callback> waiting;
  {
    base::MutexLock lock(mutex_);
    is_asking_ = false;
    header_ = header.value_or("");
    const int64_t early_ns = options_.early.count();
    expires_ns_ = lifetime_ns == kForever
                      ? kForever
                      : env_.clock.MonotonicNs() + std::max<int64_t>(lifetime_ns - early_ns, 0);
    waiting.swap(waiting_);
  }
  for (const Callback& done : waiting) done(header);
}

}  // namespace narthex::net::internal
