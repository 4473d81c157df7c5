#include "extensions/oauth2client/oauth2client.h"

#include <utility>

#include "config/oauth2_client.h"

namespace narthex::extensions {

std::unique_ptr<pipeline::Extension> OAuth2Client::Create(const pipeline::CreateContext& context) {
  config::OAuth2ClientConfig config = config::ReadOAuth2Client(context.config, context.diagnostics);
  net::OAuth2Tokens::Options options{.config = std::move(config.oauth2),
                                     .jwt = std::move(config.jwt),
                                     .client_id_file = std::move(config.client_id_file),
                                     .expiry_buffer = config.expiry_buffer};
  if (config.timeout.count() > 0) {
    options.timeout = std::chrono::ceil<std::chrono::milliseconds>(config.timeout);
  }
  return std::make_unique<OAuth2Client>(std::move(options), context.id.ToString(), context.host);
}

OAuth2Client::OAuth2Client(net::OAuth2Tokens::Options options, const std::string& name,
                           pipeline::Host& host)
    : options_(std::move(options)),
      env_(host.env),
      logger_(host.logger),
      failures_(host.meter
                    .CreateUInt64Counter("narthex_oauth2client_failures",
                                         "Requests of exporters that no token could be had for.",
                                         "{requests}")
                    ->Bind({{"extension", name}})) {}

base::Status OAuth2Client::Start() {
  ASSIGN_OR_RETURN(tokens_, net::OAuth2Tokens::Create(options_, env_, logger_));
  return {};
}

base::Result<OAuth2Client::Identity> OAuth2Client::Authenticate(const HeaderOf&) const {
  return base::Fail(base::Code::kFailedPrecondition, "oauth2client is for exporters only");
}

base::Status OAuth2Client::SetHeaders(pipeline::HeaderList& headers,
                                      const otlp::ClientInfo*) const {
  if (tokens_ == nullptr) {
    return base::Fail(base::Code::kFailedPrecondition, "oauth2client has not been started");
  }
  base::Result<std::string> authorization = tokens_->Authorization();
  if (!authorization.has_value()) {
    failures_.Add(1);
    return std::unexpected(std::move(authorization).error());
  }
  headers.Set("Authorization", *std::move(authorization));
  return {};
}

}  // namespace narthex::extensions
