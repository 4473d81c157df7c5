#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/mutex.h"
#include "config/oauth2_client.h"
#include "net/http_client.h"

namespace narthex::net::internal {

// The secret's text, without blanks around it. Errors name the file that cannot be read.
base::Result<std::string> ReadSecret(base::FileSystem& files, const config::Secret& secret);

// What a source of tokens is told beside the configuration. A value.
struct TokenOptions {
  std::optional<config::JwtBearer> jwt;  // The grant with an assertion, instead of the secret's.
  std::string client_id_file;            // Has the id, instead of the configuration.
  // A token is not used any more when it has less than this to live.
  std::chrono::nanoseconds early{std::chrono::seconds(10)};
};

// Gets tokens of the grants "client credentials" or "JWT bearer" and keeps each until shortly
// before it expires, or what is in the files of its credentials changes. Thread-safe. Source: RFC
// 6749, 4.4; RFC 7523; Go, golang.org/x/oauth2.
class TokenSource : public std::enable_shared_from_this<TokenSource> {
 public:
  // The value of an Authorization header. Error: kUnauthenticated, or what kept it from coming.
  using Callback = std::function<void(base::Result<std::string>)>;

  TokenSource(config::OAuth2Config config, std::shared_ptr<TlsClient> tls, base::Env env,
              HttpClient& client, TokenOptions options = {})
      : config_(std::move(config)),
        options_(std::move(options)),
        tls_(std::move(tls)),
        env_(env),
        client_(client) {}

  // Calls `done` once, at once or on the client's thread. Many callers share one request.
  void Get(std::chrono::milliseconds timeout, Callback done);

 private:
  // Who we are, and how we show it.
  struct Credentials {
    std::string id, secret;  // Or the key of an assertion.
    bool operator==(const Credentials&) const = default;
  };
  base::Result<Credentials> ReadCredentials() const;
  base::Result<std::string> ReadOurSecret() const;
  // Errors: those of a key that does not sign.
  base::Result<HttpClientRequest> Request(const Credentials& credentials, bool in_header,
                                          std::chrono::milliseconds timeout) const;
  void Ask(Credentials credentials, bool in_header, std::chrono::milliseconds timeout);
  void Take(Credentials credentials, bool in_header, std::chrono::milliseconds timeout,
            const base::Result<HttpClientResponse>& response);
  void Finish(base::Result<std::string> header, int64_t lifetime_ns);

  const config::OAuth2Config config_;
  const TokenOptions options_;
  const std::shared_ptr<TlsClient> tls_;
  const base::Env env_;
  HttpClient& client_;

  base::Mutex mutex_;
  std::string header_ GUARDED_BY(mutex_);       // Empty: none.
  Credentials credentials_ GUARDED_BY(mutex_);  // That the token was got with.
  int64_t expires_ns_ GUARDED_BY(mutex_) = 0;
  std::optional<bool> in_header_ GUARDED_BY(mutex_);  // Where the server takes the secret.
  bool is_asking_ GUARDED_BY(mutex_) = false;
  std::vector<Callback> waiting_ GUARDED_BY(mutex_);
};

}  // namespace narthex::net::internal
