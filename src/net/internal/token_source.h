#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/mutex.h"
#include "config/http_client.h"
#include "net/http_client.h"

namespace narthex::net::internal {

// The secret's text, without blanks around it. Errors name the file that cannot be read.
base::Result<std::string> ReadSecret(base::FileSystem& files, const config::Secret& secret);

// Gets tokens of the client credentials grant and keeps each until shortly before it expires, or
// the secret in its file changes. Thread-safe. Source: RFC 6749, 4.4; Go, golang.org/x/oauth2.
class TokenSource : public std::enable_shared_from_this<TokenSource> {
 public:
  // The value of an Authorization header. Error: kUnauthenticated, or what kept it from coming.
  using Callback = std::function<void(base::Result<std::string>)>;

  TokenSource(config::OAuth2Config config, std::shared_ptr<TlsClient> tls, base::Env env,
              HttpClient& client)
      : config_(std::move(config)), tls_(std::move(tls)), env_(env), client_(client) {}

  // Calls `done` once, at once or on the client's thread. Many callers share one request.
  void Get(std::chrono::milliseconds timeout, Callback done);

 private:
  HttpClientRequest Request(const std::string& secret, bool in_header,
                            std::chrono::milliseconds timeout) const;
  void Ask(std::string secret, bool in_header, std::chrono::milliseconds timeout);
  void Take(std::string secret, bool in_header, std::chrono::milliseconds timeout,
            const base::Result<HttpClientResponse>& response);
  void Finish(base::Result<std::string> header, int64_t lifetime_ns);

  const config::OAuth2Config config_;
  const std::shared_ptr<TlsClient> tls_;
  const base::Env env_;
  HttpClient& client_;

  base::Mutex mutex_;
  std::string header_ GUARDED_BY(mutex_);  // Empty: none.
  std::string secret_ GUARDED_BY(mutex_);  // That the token was got with.
  int64_t expires_ns_ GUARDED_BY(mutex_) = 0;
  std::optional<bool> in_header_ GUARDED_BY(mutex_);  // Where the server takes the secret.
  bool is_asking_ GUARDED_BY(mutex_) = false;
  std::vector<Callback> waiting_ GUARDED_BY(mutex_);
};

}  // namespace narthex::net::internal
