#pragma once

#include <chrono>
#include <memory>

#include "net/oauth2.h"
#include "pipeline/auth.h"

namespace narthex::extensions {

// Gives the requests of exporters a token, which it gets from a server and keeps until shortly
// before it expires. Thread-safe. Source: opentelemetry-collector-contrib,
// extension/oauth2clientauthextension; RFC 6749, 4.4; RFC 7523.
class OAuth2Client final : public pipeline::AuthExtension {
 public:
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  OAuth2Client(net::OAuth2Tokens::Options options, const std::string& name, pipeline::Host& host);
  base::Status Start() override;
  void Stop() override {}
  // Error: kFailedPrecondition, as it knows nothing of senders.
  base::Result<Identity> Authenticate(const HeaderOf& header_of) const override;
  // Waits for the server where no token is at hand.
  base::Status SetHeaders(pipeline::HeaderList& headers,
                          const otlp::ClientInfo* client) const override;

 private:
  const net::OAuth2Tokens::Options options_;
  const base::Env env_;
  base::Logger& logger_;
  std::unique_ptr<net::OAuth2Tokens> tokens_;
  mutable sdk::BoundCounter<uint64_t> failures_;
};

inline constexpr pipeline::ExtensionFactory kOAuth2Client = {"oauth2client", "oauth2_client",
                                                             &OAuth2Client::Create};

}  // namespace narthex::extensions
