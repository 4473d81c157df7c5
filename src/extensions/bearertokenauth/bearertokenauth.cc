#include "extensions/bearertokenauth/bearertokenauth.h"

namespace narthex::extensions {

using base::Code;
using base::Fail;

std::unique_ptr<pipeline::Extension> BearerTokenAuth::Create(
    const pipeline::CreateContext& context) {
  Config config;
  std::string token;
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("header", config.header, "Where the token stands");
  reader.Read("scheme", config.scheme, "What stands in front of the token");
  reader.Read("token", token, "What is accepted, and sent");
  reader.Read("tokens", config.tokens, "More that are accepted; the first is sent");
  reader.Read("filename", config.filename, "Instead: one token a line, read for every use");
  reader.Finish();
  if (!token.empty()) config.tokens.push_back(token);
  if (config.tokens.empty() && config.filename.empty()) {
    reader.Report("token", "no bearer token or filename provided");
  }
  return std::make_unique<BearerTokenAuth>(std::move(config), context.host);
}

base::Status BearerTokenAuth::Start() {
  RETURN_IF_ERROR(Tokens());
  return {};
}

base::Result<std::vector<std::string>> BearerTokenAuth::Tokens() const {
  if (config_.filename.empty()) return config_.tokens;
  ASSIGN_OR_RETURN(const std::string text, base::ReadFile(files_, config_.filename));
  std::vector<std::string> tokens;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) tokens.push_back(std::move(line));
    at = end + 1;
  }
  if (tokens.empty()) {
    return Fail(Code::kFailedPrecondition, "no token in the file {}", config_.filename);
  }
  return tokens;
}

std::string BearerTokenAuth::ValueOf(const std::string& token) const {
  return config_.scheme.empty() ? token : config_.scheme + ' ' + token;
}

base::Result<BearerTokenAuth::Identity> BearerTokenAuth::Authenticate(
    const HeaderOf& header_of) const {
  const std::string value = header_of(config_.header);
  if (value.empty()) return Fail(Code::kUnauthenticated, "missing or empty authorization header");
  const auto tokens = Tokens();
  bool is_known = false;
  if (tokens.has_value()) {
    for (const std::string& token : *tokens) {
      is_known |= pipeline::EqualsSecretly(value, ValueOf(token));
    }
  }
  if (is_known) return Identity{{"raw", value}};
  return Fail(Code::kUnauthenticated,
              "provided authorization does not match expected scheme or token");
}

base::Status BearerTokenAuth::SetHeaders(pipeline::HeaderList& headers,
                                         const otlp::ClientInfo*) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> tokens, Tokens());
  headers.Set(config_.header, ValueOf(tokens[0]));
  return {};
}

}  // namespace narthex::extensions
