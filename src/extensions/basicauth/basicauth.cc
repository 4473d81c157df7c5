#include "extensions/basicauth/basicauth.h"

#include "net/http.h"

namespace narthex::extensions {
namespace {

using base::Code;
using base::Fail;

}  // namespace

std::unique_ptr<pipeline::Extension> BasicAuth::Create(const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  if (const config::Node* node = reader.Take("htpasswd", "For servers: names and passwords")) {
    config::MapReader list(*node, context.diagnostics);
    list.Read("file", config.file,
              "A file in Apache's format: bcrypt, `$apr1$`, `$1$`, `$5$`, `$6$`, `$y$`, `{SHA}` or "
              "plain; other hashes are refused at the start");
    list.Read("inline", config.inline_list, "The same here; a `$` is written `$$`");
    list.Finish();
    if (config.file.empty() && config.inline_list.empty()) {
      list.Report("file", "no credential source provided");
    }
  }
  if (const config::Node* node = reader.Take("client_auth", "For exporters: who we are")) {
    std::string name, password;
    config::MapReader client(*node, context.diagnostics);
    client.Read("username", name, "Without a colon");
    client.Read("password", password, "Its password");
    client.Finish();
    if (name.empty()) client.Report("username", "must be given");
    if (name.find(':') != name.npos) client.Report("username", "must not contain a colon");
    config.client = {name, password};
  }
  reader.Finish();
  const bool is_server = !config.file.empty() || !config.inline_list.empty();
  if (is_server == config.client.has_value()) {
    reader.Report("htpasswd", "exactly one of htpasswd and client_auth must be given");
  }
  return std::make_unique<BasicAuth>(std::move(config), context.host);
}

base::Status BasicAuth::Start() {
  auto passwords = std::make_unique<net::Passwords>();
  if (!config_.file.empty()) {
    ASSIGN_OR_RETURN(const std::string text, base::ReadFile(files_, config_.file));
    RETURN_IF_ERROR(passwords->AddList(text));
  }
  if (base::Status status = passwords->AddList(config_.inline_list); !status.has_value()) {
    return std::unexpected(std::move(status).error().In("htpasswd"));
  }
  passwords_ = std::move(passwords);
  return {};
}

base::Result<BasicAuth::Identity> BasicAuth::Authenticate(const HeaderOf& header_of) const {
  const std::string value = header_of("Authorization");
  if (value.empty()) {
    return Fail(Code::kUnauthenticated, "authentication didn't succeed: no basic auth provided");
  }
  if (passwords_ != nullptr && passwords_->Accept(value)) {
    const auto [name, password] = net::ParseBasicAuthorization(value).value();
    return Identity{{"username", name}, {"raw", value.substr(value.find(' ') + 1)}};
  }
  return Fail(Code::kUnauthenticated, "authentication didn't succeed: invalid credentials");
}

base::Status BasicAuth::SetHeaders(pipeline::HeaderList& headers, const otlp::ClientInfo*) const {
  if (!config_.client.has_value()) {
    return Fail(Code::kFailedPrecondition, "basicauth has no client_auth");
  }
  headers.Set("Authorization",
              net::BasicAuthorization(config_.client->first, config_.client->second));
  return {};
}

}  // namespace narthex::extensions
