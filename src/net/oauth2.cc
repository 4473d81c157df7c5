#include "net/oauth2.h"

#include <future>

#include "net/internal/token_source.h"
#include "net/tls.h"

namespace narthex::net {

base::Result<std::unique_ptr<OAuth2Tokens>> OAuth2Tokens::Create(Options options, base::Env env,
                                                                 base::Logger& logger) {
  std::shared_ptr<TlsClient> tls;
  if (options.config.tls.has_value()) {
    ASSIGN_OR_RETURN(tls, TlsClient::Create(*options.config.tls, env, logger));
  }
  return std::unique_ptr<OAuth2Tokens>(new OAuth2Tokens(std::move(options), std::move(tls), env));
}

OAuth2Tokens::OAuth2Tokens(Options options, std::shared_ptr<TlsClient> tls, base::Env env)
    : timeout_(options.timeout),
      tokens_(std::make_shared<internal::TokenSource>(
          std::move(options.config), std::move(tls), env, client_,
          internal::TokenOptions{.jwt = std::move(options.jwt),
                                 .client_id_file = std::move(options.client_id_file),
                                 .early = options.expiry_buffer})) {}

OAuth2Tokens::~OAuth2Tokens() = default;

base::Result<std::string> OAuth2Tokens::Authorization() {
  std::promise<base::Result<std::string>> promise;
  tokens_->Get(timeout_,
               [&](base::Result<std::string> token) { promise.set_value(std::move(token)); });
  return promise.get_future().get();
}

}  // namespace narthex::net
