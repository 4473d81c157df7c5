#include "config/http_client.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "config/oauth2_client.h"
#include "config/yaml.h"

namespace narthex::config {
namespace {

// Headers that are the client's own. Source: Prometheus, http_config, http_headers.
constexpr std::array<std::string_view, 17> kReservedHeaders = {
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
    "x-prometheus-refresh-interval-seconds",
    "x-amz-date"};

constexpr std::string_view kClientCredentials = "client_credentials";
constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

bool IsHeaderName(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

void ReadSecret(MapReader& reader, std::string_view key, std::string_view file_key, Secret& secret,
                std::string_view meaning) {
  reader.Read(key, secret.text, meaning);
  reader.Read(file_key, secret.file, fmt::format("The file that has the `{}`", key));
  if (!secret.text.empty() && !secret.file.empty()) {
    reader.Report(file_key,
                  fmt::format("at most one of {} & {} must be configured", key, file_key));
  }
  if (base::HasControlCharacters(secret.text)) reader.Report(key, "has control characters");
}

// A map of names to texts.
std::vector<std::pair<std::string, std::string>> ReadTexts(MapReader& reader, std::string_view key,
                                                           Diagnostics& diagnostics,
                                                           std::string_view meaning) {
  std::vector<std::pair<std::string, std::string>> texts;
  const Node* const node = reader.Take(key, meaning, "map");
  if (node == nullptr) return texts;
  if (!node->is_map()) {
    reader.Report(key, "expected a map");
    return texts;
  }
  for (const auto& [name, value] : node->members) {
    // As a parameter of a URL, a name may have several.
    const bool is_list = value.is_list() && std::ranges::all_of(value.items, &Node::is_scalar);
    if (is_list) {
      for (const Node& item : value.items) texts.emplace_back(name.scalar, item.scalar);
      continue;
    }
    if (!value.is_scalar()) {
      diagnostics.Add(value.at, fmt::format("{}: expected text", name.scalar));
      continue;
    }
    texts.emplace_back(name.scalar, value.scalar);
  }
  return texts;
}

void ReadProxy(MapReader& reader, Diagnostics& diagnostics, ProxyConfig& proxy) {
  reader.Read("proxy_url", proxy.url, "Through which requests go");
  reader.Read("no_proxy", proxy.no_proxy,
              "Hosts, domains and networks that are asked directly, with commas");
  reader.Read("proxy_from_environment", proxy.from_environment,
              "Takes `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`");
  if (const Node* const node = reader.Take("proxy_connect_header",
                                           "Sent to the proxy with CONNECT, each a list", "map")) {
    for (const auto& [name, values] : node->members) {
      if (!IsHeaderName(name.scalar)) diagnostics.Add(name.at, "is not the name of a header");
      for (const Node& value : values.items) {
        if (base::HasControlCharacters(value.scalar))
          diagnostics.Add(value.at, "has control characters");
        proxy.connect_headers.emplace_back(name.scalar, value.scalar);
      }
      if (!values.is_list()) diagnostics.Add(values.at, "expected a list");
    }
  }
  if (proxy.from_environment && !proxy.url.empty()) {
    reader.Report("proxy_url",
                  "if proxy_from_environment is configured, proxy_url must not be configured");
  }
  if (proxy.from_environment && !proxy.no_proxy.empty()) {
    reader.Report("no_proxy",
                  "if proxy_from_environment is configured, no_proxy must not be configured");
  }
  if (proxy.url.empty() && !proxy.no_proxy.empty()) {
    reader.Report("no_proxy", "if no_proxy is configured, proxy_url must also be configured");
  }
  if (!proxy.connect_headers.empty() && !proxy.from_environment && proxy.url.empty()) {
    reader.Report("proxy_connect_header",
                  "if proxy_connect_header is configured, proxy_url or proxy_from_environment "
                  "must also be configured");
  }
}

void ReadHeaders(MapReader& reader, Diagnostics& diagnostics, HttpClientConfig& config) {
  const Node* const node = reader.Take(
      "http_headers", "Headers more: by name the lists `values`, `secrets` and `files`", "map");
  if (node == nullptr) return;
  if (!node->is_map()) return reader.Report("http_headers", "expected a map");
  for (const auto& [name, value] : node->members) {
    const std::string lower = base::LowerCase(name.scalar);
    if (!IsHeaderName(lower)) {
      diagnostics.Add(name.at, fmt::format("\"{}\" is not the name of a header", name.scalar));
    } else if (std::ranges::find(kReservedHeaders, lower) != kReservedHeaders.end()) {
      diagnostics.Add(name.at, fmt::format("setting header \"{}\" is not allowed", name.scalar));
    }
    HttpHeader header{.name = name.scalar, .values = {}};
    MapReader lists(value, diagnostics);
    std::vector<std::string> values, secrets, files;
    lists.Read("values", values);
    lists.Read("secrets", secrets);
    lists.Read("files", files);
    lists.Finish();
    for (const auto* texts : {&values, &secrets}) {
      for (const std::string& text : *texts) {
        if (base::HasControlCharacters(text)) diagnostics.Add(value.at, "has control characters");
        header.values.push_back({.text = text, .file = ""});
      }
    }
    for (const std::string& file : files) header.values.push_back({.text = "", .file = file});
    config.headers.push_back(std::move(header));
  }
}

// The keys that a token is asked for with, wherever they stand.
void ReadTokenRequest(MapReader& reader, Diagnostics& diagnostics, OAuth2Config& config) {
  reader.Read("client_id", config.client_id, "Required");
  ReadSecret(reader, "client_secret", "client_secret_file", config.client_secret, "The secret");
  reader.Read("scopes", config.scopes, "Of the token");
  reader.Read("token_url", config.token_url, "Where tokens come from; required");
  config.endpoint_params =
      ReadTexts(reader, "endpoint_params", diagnostics, "Sent with the request for a token");
}

// Of Prometheus's block `oauth2`.
void ReadOnlyGrant(MapReader& reader) {
  std::string grant(kClientCredentials);
  reader.Read("grant_type", grant, "No other is supported");
  if (grant != kClientCredentials) {
    reader.Report("grant_type", fmt::format("\"{}\" is not supported in this version", grant));
  }
  reader.Refuse({"client_certificate_key", "client_certificate_key_file",
                 "client_certificate_key_id", "signature_algorithm", "iss", "audience", "claims"},
                "not supported in this version");
}

// Of the collector's extension.
void ReadGrant(MapReader& reader, OAuth2ClientConfig& config) {
  std::string grant(kClientCredentials);
  reader.Read("grant_type", grant,
              fmt::format("`{}`, or `{}`: with a signed assertion instead of a secret",
                          kClientCredentials, kJwtBearer));
  if (grant != kClientCredentials && grant != kJwtBearer) {
    reader.Report("grant_type", fmt::format("must be {} or {}", kClientCredentials, kJwtBearer));
  }
  JwtBearer jwt;
  reader.Read("client_certificate_key", jwt.key.text,
              "Of an assertion, as are the keys below: the RSA key that signs it, PEM without a "
              "passphrase");
  reader.Read("client_certificate_key_file", jwt.key.file,
              "The file that has the `client_certificate_key`; read for every use");
  reader.Read("client_certificate_key_id", jwt.key_id, "The header `kid`");
  reader.Read("signature_algorithm", jwt.algorithm, "`RS256`, `RS384` or `RS512`");
  reader.Read("iss", jwt.issuer, "The claim; without it, the `client_id`");
  reader.Read("audience", jwt.audience, "The claim `aud`; without it, the `token_url`");
  if (const Node* const claims =
          reader.Take("claims", "Further claims, or others instead", "map")) {
    if (!claims->is_map()) reader.Report("claims", "expected a map");
    jwt.claims = *claims;
  }
  if (jwt.algorithm != "RS256" && jwt.algorithm != "RS384" && jwt.algorithm != "RS512") {
    reader.Report("signature_algorithm", "must be RS256, RS384 or RS512");
  }
  if (grant != kJwtBearer || reader.node().kind == Node::Kind::kSample) return;
  if (jwt.key.text.empty() == jwt.key.file.empty()) {
    reader.Report("client_certificate_key",
                  "either client_certificate_key or client_certificate_key_file must be "
                  "configured");
  }
  for (const auto& [name, value] : config.oauth2.endpoint_params) {
    if (name != "assertion" && (name != "scope" || config.oauth2.scopes.empty())) continue;
    reader.Report("endpoint_params", fmt::format("cannot overwrite \"{}\"", name));
  }
  config.jwt = std::move(jwt);
}

void CheckTokenRequest(MapReader& reader, const OAuth2Config& config, bool has_id,
                       bool needs_secret) {
  if (reader.node().kind == Node::Kind::kSample) return;
  if (!has_id) reader.Report("client_id", "oauth2 client_id must be configured");
  if (needs_secret && config.client_secret.empty()) {
    reader.Report("client_secret",
                  "either oauth2 client_secret or client_secret_file must be configured");
  }
  if (config.token_url.empty()) {
    reader.Report("token_url", "oauth2 token_url must be configured");
  }
}

OAuth2Config ReadOAuth2(const Node& node, Diagnostics& diagnostics) {
  OAuth2Config config;
  MapReader reader(node, diagnostics);
  ReadTokenRequest(reader, diagnostics, config);
  ReadOnlyGrant(reader);
  if (const Node* const tls = reader.Take("tls_config", "How the token's server is spoken to")) {
    config.tls = ReadScrapeTls(*tls, diagnostics);
  }
  ReadProxy(reader, diagnostics, config.proxy);
  reader.Finish();
  CheckTokenRequest(reader, config, !config.client_id.empty(), /*needs_secret=*/true);
  return config;
}

void ReadCredentials(MapReader& reader, Diagnostics& diagnostics, HttpClientConfig& config) {
  if (const Node* const node =
          reader.Take("basic_auth", "Not together with `authorization` or `oauth2`")) {
    MapReader basic(*node, diagnostics);
    config.basic_auth.emplace();
    ReadSecret(basic, "username", "username_file", config.basic_auth->username, "Who we are");
    ReadSecret(basic, "password", "password_file", config.basic_auth->password, "The password");
    basic.Finish();
  }
  if (const Node* const node = reader.Take("authorization", "A header of that name")) {
    MapReader authorization(*node, diagnostics);
    config.authorization.emplace();
    std::string& type = config.authorization->type;
    authorization.Read("type", type, "What stands in front of the credentials");
    ReadSecret(authorization, "credentials", "credentials_file", config.authorization->credentials,
               "A token");
    authorization.Finish();
    if (base::LowerCase(type) == "basic") {
      authorization.Report("type",
                           "authorization type cannot be set to \"basic\", use \"basic_auth\" "
                           "instead");
    }
    if (base::HasControlCharacters(type)) authorization.Report("type", "has control characters");
  }
  Secret bearer;
  ReadSecret(reader, "bearer_token", "bearer_token_file", bearer,
             "The older form of `authorization` with a `Bearer`");
  if (!bearer.empty()) {
    if (config.authorization) {
      reader.Report("authorization",
                    "authorization is not compatible with bearer_token & bearer_token_file");
    }
    config.authorization = {.type = "Bearer", .credentials = std::move(bearer)};
  }
  if (const Node* const node = reader.Take("oauth2", "Tokens of the client credentials grant")) {
    config.oauth2 = ReadOAuth2(*node, diagnostics);
  }
  const int kinds =
      config.basic_auth.has_value() + config.authorization.has_value() + config.oauth2.has_value();
  if (kinds > 1 && reader.node().kind != Node::Kind::kSample) {
    reader.Report(config.oauth2 ? "oauth2" : "basic_auth",
                  "at most one of basic_auth, oauth2 & authorization must be configured");
  }
}

}  // namespace

OAuth2ClientConfig ReadOAuth2Client(const Node& node, Diagnostics& diagnostics) {
  OAuth2ClientConfig config;
  MapReader reader(node, diagnostics);
  ReadTokenRequest(reader, diagnostics, config.oauth2);
  ReadGrant(reader, config);
  reader.Read("client_id_file", config.client_id_file, "Has it, instead; read for every use");
  if (const Node* const tls = reader.Take("tls", "How the token's server is spoken to")) {
    config.oauth2.tls = ReadTlsClient(*tls, diagnostics);
  }
  int64_t timeout_ns = 0, buffer_ns = config.expiry_buffer.count();
  reader.ReadGoDuration("timeout", timeout_ns, "Of a request for a token; `0s`: half a minute");
  reader.ReadGoDuration("expiry_buffer", buffer_ns,
                        "A token with less than this to live is not used any more");
  if (timeout_ns < 0) reader.Report("timeout", "must not be negative");
  if (buffer_ns < 0) reader.Report("expiry_buffer", "must not be negative");
  config.timeout = std::chrono::nanoseconds(timeout_ns);
  config.expiry_buffer = std::chrono::nanoseconds(buffer_ns);
  reader.Finish();
  CheckTokenRequest(reader, config.oauth2,
                    !config.oauth2.client_id.empty() || !config.client_id_file.empty(),
                    /*needs_secret=*/!config.jwt.has_value());
  return config;
}

void ReadHttpClient(MapReader& reader, Diagnostics& diagnostics, HttpClientConfig& config) {
  const KeyGroup group(reader, "HTTP clients of Prometheus");
  ReadCredentials(reader, diagnostics, config);
  if (const Node* const tls = reader.Take("tls_config", "How the peer is spoken to")) {
    config.tls = ReadScrapeTls(*tls, diagnostics);
  }
  ReadProxy(reader, diagnostics, config.proxy);
  ReadHeaders(reader, diagnostics, config);
  reader.Read("follow_redirects", config.follow_redirects,
              "Up to ten; credentials and `http_headers` stay with the first host");
}

void ResolvePath(std::string_view directory, std::string& path) {
  if (path.empty() || path.starts_with('/') || directory.empty() || directory == ".") return;
  path = fmt::format("{}/{}", directory, path);
}

void ResolvePaths(std::string_view directory, HttpClientConfig& config) {
  const auto tls = [&](std::optional<TlsClientConfig>& block) {
    if (!block) return;
    for (Pem* const pem : {&block->ca, &block->cert, &block->key}) {
      ResolvePath(directory, pem->file);
    }
  };
  tls(config.tls);
  if (config.basic_auth) {
    ResolvePath(directory, config.basic_auth->username.file);
    ResolvePath(directory, config.basic_auth->password.file);
  }
  if (config.authorization) ResolvePath(directory, config.authorization->credentials.file);
  if (config.oauth2) {
    ResolvePath(directory, config.oauth2->client_secret.file);
    tls(config.oauth2->tls);
  }
  for (HttpHeader& header : config.headers) {
    for (Secret& value : header.values) ResolvePath(directory, value.file);
  }
}

}  // namespace narthex::config
