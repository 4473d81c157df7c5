#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "config/http_client.h"
#include "config/yaml.h"

namespace narthex::config {

// The grant "JWT bearer": a signed assertion instead of a secret.
// Source: RFC 7523; opentelemetry-collector-contrib, extension/oauth2clientauthextension.
struct JwtBearer {
  Secret key;                       // An RSA key without a passphrase, PEM.
  std::string key_id;               // The header `kid`; empty: none.
  std::string algorithm = "RS256";  // Or RS384, RS512.
  std::string issuer;               // Empty: the client's id.
  std::string audience;             // Empty: where tokens come from.
  Node claims;                      // A map of further ones, of any type; they win.
};

// The keys of a collector's extension `oauth2client`, as values.
// Source: opentelemetry-collector-contrib, extension/oauth2clientauthextension.
struct OAuth2ClientConfig {
  OAuth2Config oauth2;
  std::optional<JwtBearer> jwt;         // Instead of the secret.
  std::string client_id_file;           // Has the id, instead.
  std::chrono::nanoseconds timeout{0};  // Of a request for a token; 0: none.
  std::chrono::nanoseconds expiry_buffer{std::chrono::minutes(5)};
};
OAuth2ClientConfig ReadOAuth2Client(const Node& node, Diagnostics& diagnostics);

}  // namespace narthex::config
