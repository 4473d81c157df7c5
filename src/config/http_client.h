#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/reader.h"
#include "config/tls.h"

namespace narthex::config {

// The HTTP client block that Prometheus's scrape jobs and discovery have in common, as values;
// nothing is opened here. Source: Prometheus, configuration, http_config.

// A text that is nobody's business, or the file that has it, read again at every use.
struct Secret {
  std::string text;
  std::string file;
  bool empty() const { return text.empty() && file.empty(); }
  bool operator==(const Secret&) const = default;
};

struct BasicAuth {
  Secret username;
  Secret password;
  bool operator==(const BasicAuth&) const = default;
};

// The header of that name: type, a blank and the credentials.
struct Authorization {
  std::string type = "Bearer";
  Secret credentials;
  bool operator==(const Authorization&) const = default;
};

struct ProxyConfig {
  std::string url;
  std::string no_proxy;           // Hosts, domains and networks, with commas.
  bool from_environment = false;  // HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
  std::vector<std::pair<std::string, std::string>> connect_headers;
  bool operator==(const ProxyConfig&) const = default;
};

// Source: RFC 6749, client credentials grant.
struct OAuth2Config {
  std::string client_id;
  Secret client_secret;
  std::vector<std::string> scopes;
  std::string token_url;
  std::vector<std::pair<std::string, std::string>> endpoint_params;
  std::optional<TlsClientConfig> tls;
  ProxyConfig proxy;
  bool operator==(const OAuth2Config&) const = default;
};

// One header more, with all its values.
struct HttpHeader {
  std::string name;
  std::vector<Secret> values;
  bool operator==(const HttpHeader&) const = default;
};

// At most one of the three kinds of credentials is set.
struct HttpClientConfig {
  std::optional<BasicAuth> basic_auth;
  std::optional<Authorization> authorization;
  std::optional<OAuth2Config> oauth2;
  std::optional<TlsClientConfig> tls;  // Absent: trusts the system's.
  ProxyConfig proxy;
  std::vector<HttpHeader> headers;
  bool follow_redirects = true;
  bool operator==(const HttpClientConfig&) const = default;
};

// Reads the keys of the block, which stand among others of the same map.
void ReadHttpClient(MapReader& reader, Diagnostics& diagnostics, HttpClientConfig& config);
// Takes relative paths for relative to `directory`.
void ResolvePaths(std::string_view directory, HttpClientConfig& config);
// The same for one path; empty and absolute ones stay.
void ResolvePath(std::string_view directory, std::string& path);

}  // namespace narthex::config
