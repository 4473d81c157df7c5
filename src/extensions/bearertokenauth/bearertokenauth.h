#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/auth.h"

namespace narthex::extensions {

// Checks or sends a token in a header. A token in a file is read for every use, so that it may be
// replaced. Thread-safe. Source: opentelemetry-collector-contrib,
// extension/bearertokenauthextension.
class BearerTokenAuth final : public pipeline::AuthExtension {
 public:
  struct Config {
    std::string header = "Authorization";
    std::string scheme = "Bearer";  // In front of the token, unless empty.
    std::vector<std::string> tokens;
    std::string filename;  // One token a line, instead.
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  BearerTokenAuth(Config config, pipeline::Host& host)
      : config_(std::move(config)), files_(host.env.files) {}
  base::Status Start() override;
  void Stop() override {}
  // Knows `raw`: the header's value.
  base::Result<Identity> Authenticate(const HeaderOf& header_of) const override;
  base::Status SetHeaders(pipeline::HeaderList& headers,
                          const otlp::ClientInfo* client) const override;

 private:
  base::Result<std::vector<std::string>> Tokens() const;
  std::string ValueOf(const std::string& token) const;

  const Config config_;
  base::FileSystem& files_;
};

inline constexpr pipeline::ExtensionFactory kBearerTokenAuth = {
    "bearertokenauth", "bearer_token_auth", &BearerTokenAuth::Create};

}  // namespace narthex::extensions
