#include "net/internal/token_source.h"

#include <algorithm>

#include "base/ascii.h"
#include "net/http_session.h"
#include "net/internal/jwt.h"
#include "net/internal/token_answer.h"
#include "net/internal/url_parts.h"

namespace narthex::net::internal {
namespace {

using base::Code;
using base::Fail;

constexpr size_t kAnswerBytesMax = 1 << 20;

using Parameter = std::pair<std::string, std::string>;

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
  ASSIGN_OR_RETURN(credentials.secret, ReadOurSecret());
  return credentials;
}

base::Result<std::string> TokenSource::ReadOurSecret() const {
  base::Result<std::string> secret;
  if (!options_.jwt.has_value()) {
    secret = ReadSecret(env_.files, config_.client_secret);
    if (!secret) return std::unexpected(std::move(secret).error().In("oauth2 client secret"));
    return secret;
  }
  const config::Secret& key = options_.jwt->key;
  if (key.file.empty()) return key.text;
  secret = base::ReadFile(env_.files, key.file);
  if (!secret) return std::unexpected(std::move(secret).error().In("oauth2 client key"));
  return secret;
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

base::Result<HttpClientRequest> TokenSource::Request(const Credentials& credentials, bool in_header,
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
  std::string scopes;
  for (const std::string& scope : config_.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  // Some servers have a name of their own for it.
  if (std::ranges::find(config_.endpoint_params, "grant_type", &Parameter::first) ==
      config_.endpoint_params.end()) {
    add("grant_type", options_.jwt.has_value() ? "urn:ietf:params:oauth:grant-type:jwt-bearer"
                                               : "client_credentials");
  }
  if (options_.jwt.has_value()) {
    base::Result<std::string> assertion = SignAssertion(*options_.jwt, credentials.secret,
                                                        {.client_id = credentials.id,
                                                         .token_url = config_.token_url,
                                                         .scopes = scopes,
                                                         .now_ns = env_.clock.WallNs()});
    if (!assertion) return std::unexpected(std::move(assertion).error().In("oauth2 client key"));
    add("assertion", *assertion);
  }
  if (!scopes.empty()) add("scope", scopes);
  for (const auto& [name, value] : config_.endpoint_params) add(name, value);
  if (options_.jwt.has_value()) {
    // The assertion says who we are.
  } else if (in_header) {
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
  base::Result<HttpClientRequest> request = Request(credentials, in_header, timeout);
  if (!request) return Finish(std::unexpected(std::move(request).error()), 0);
  client_.Fetch(*std::move(request),
                [self = shared_from_this(), credentials = std::move(credentials), in_header,
                 timeout](const base::Result<HttpClientResponse>& response) {
                  self->Take(credentials, in_header, timeout, response);
                });
}

void TokenSource::Take(Credentials credentials, bool in_header, std::chrono::milliseconds timeout,
                       const base::Result<HttpClientResponse>& response) {
  if (!response) return Finish(std::unexpected(response.error()), 0);
  const base::Result<Token> token = ParseTokenAnswer(*response);
  if (!token) {
    bool may_retry = false;
    {
      base::MutexLock lock(mutex_);
      may_retry = in_header && !in_header_.has_value() && !options_.jwt.has_value();
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
    expires_ns_ = lifetime_ns == Token::kForever
                      ? Token::kForever
                      : env_.clock.MonotonicNs() + std::max<int64_t>(lifetime_ns - early_ns, 0);
    waiting.swap(waiting_);
  }
  for (const Callback& done : waiting) done(header);
}

}  // namespace narthex::net::internal
