#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/password.h"
#include "pipeline/auth.h"

namespace narthex::extensions {

// Checks names and passwords against an htpasswd list, or sends one. Thread-safe.
// Source: opentelemetry-collector-contrib, extension/basicauthextension; RFC 7617.
class BasicAuth final : public pipeline::AuthExtension {
 public:
  struct Config {
    std::string file, inline_list;  // htpasswd; the latter wins where both know a name.
    std::optional<std::pair<std::string, std::string>> client;  // Name and password.
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  BasicAuth(Config config, pipeline::Host& host)
      : config_(std::move(config)), files_(host.env.files) {}
  // Reads the list. Error: kUnimplemented for kinds of hashes that net::Passwords does not know.
  base::Status Start() override;
  void Stop() override {}
  // Knows `username`, and `raw`: what the header has behind its scheme.
  base::Result<Identity> Authenticate(const HeaderOf& header_of) const override;
  base::Status SetHeaders(pipeline::HeaderList& headers,
                          const otlp::ClientInfo* client) const override;

 private:
  const Config config_;
  base::FileSystem& files_;
  std::unique_ptr<const net::Passwords> passwords_;  // Set by Start.
};

inline constexpr pipeline::ExtensionFactory kBasicAuth = {"basicauth", "basic_auth",
                                                          &BasicAuth::Create};

}  // namespace narthex::extensions
