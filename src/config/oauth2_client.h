#pragma once

#include <chrono>
#include <string>

#include "config/http_client.h"

namespace narthex::config {

// The keys of a collector's extension `oauth2client`, as values.
// Source: opentelemetry-collector-contrib, extension/oauth2clientauthextension.
struct OAuth2ClientConfig {
  OAuth2Config oauth2;
  std::string client_id_file;           // Has the id, instead.
  std::chrono::nanoseconds timeout{0};  // Of a request for a token; 0: none.
  std::chrono::nanoseconds expiry_buffer{std::chrono::minutes(5)};
};
OAuth2ClientConfig ReadOAuth2Client(const Node& node, Diagnostics& diagnostics);

}  // namespace narthex::config
