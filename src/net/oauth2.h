#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/env.h"
#include "base/log.h"
#include "config/oauth2_client.h"
#include "net/http_client.h"

namespace narthex::net {

namespace internal {
class TokenSource;
}

// Tokens of the grants "client credentials" and "JWT bearer" for those who send by other means than
// an HttpSession. Thread-safe. Source: RFC 6749, 4.4; RFC 7523.
class OAuth2Tokens {
 public:
  struct Options {
    config::OAuth2Config config;
    std::optional<config::JwtBearer> jwt;  // The grant "JWT bearer", instead of the secret's.
    std::string client_id_file;            // Has the id, instead of `config`; read for every use.
    std::chrono::milliseconds timeout{std::chrono::seconds(30)};  // Of a request for a token.
    std::chrono::nanoseconds expiry_buffer{0};  // A token with less to live is not used any more.
  };
  // Errors: those of TLS files.
  static base::Result<std::unique_ptr<OAuth2Tokens>> Create(Options options, base::Env env,
                                                            base::Logger& logger);
  ~OAuth2Tokens();

  // The value of an Authorization header; waits for the server where no token is at hand.
  // Errors: kUnauthenticated; those of HttpClient where the server does not answer; of a file.
  base::Result<std::string> Authorization();

 private:
  OAuth2Tokens(Options options, std::shared_ptr<TlsClient> tls, base::Env env);

  const std::chrono::milliseconds timeout_;
  HttpClient client_;
  const std::shared_ptr<internal::TokenSource> tokens_;
};

}  // namespace narthex::net
