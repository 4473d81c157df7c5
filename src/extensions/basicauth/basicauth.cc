#include "extensions/basicauth/basicauth.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "otlp/value.h"

namespace narthex::extensions {
namespace {

using base::Code;
using base::Fail;

constexpr std::string_view kSha = "{SHA}";

std::string ShaOf(std::string_view password) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(password.data(), password.size(), digest, &size, EVP_sha1(), nullptr) == 1);
  return std::string(kSha) + otlp::Base64({reinterpret_cast<const char*>(digest), size});
}

std::string HeaderValue(std::string_view name, std::string_view password) {
  return "Basic " + otlp::Base64(std::string(name) + ':' + std::string(password));
}

}  // namespace

std::unique_ptr<pipeline::Extension> BasicAuth::Create(const pipeline::CreateContext& context) {
  Config config;
  config::MapReader reader(context.config, context.diagnostics);
  if (const config::Node* node = reader.Take("htpasswd")) {
    config::MapReader list(*node, context.diagnostics);
    list.Read("file", config.file);
    list.Read("inline", config.inline_list);
    list.Finish();
    if (config.file.empty() && config.inline_list.empty()) {
      list.Report("file", "no credential source provided");
    }
  }
  if (const config::Node* node = reader.Take("client_auth")) {
    std::string name, password;
    config::MapReader client(*node, context.diagnostics);
    client.Read("username", name);
    client.Read("password", password);
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
  users_.clear();
  if (!config_.file.empty()) {
    ASSIGN_OR_RETURN(const std::string text, base::ReadFile(files_, config_.file));
    RETURN_IF_ERROR(AddList(text));
  }
  return AddList(config_.inline_list);
}

base::Status BasicAuth::AddList(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    const size_t colon = line.find(':');
    if (line.empty() || line[0] == '#' || colon == line.npos) continue;
    std::string secret = line.substr(colon + 1);
    if (secret.starts_with('$') || (secret.starts_with('{') && !secret.starts_with(kSha))) {
      return Fail(Code::kInvalidArgument,
                  "htpasswd: the hash of user {} is of a kind that is not supported; {{SHA}} and "
                  "plain text are",
                  line.substr(0, colon));
    }
    // All are compared as digests: their length then tells nothing.
    users_[line.substr(0, colon)] = secret.starts_with(kSha) ? secret : ShaOf(secret);
  }
  return {};
}

base::Status BasicAuth::Authenticate(const HeaderOf& header_of) const {
  const std::string value = header_of("Authorization");
  const size_t blank = value.find(' ');
  std::string scheme = value.substr(0, blank);
  for (char& c : scheme) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (scheme != "basic" || blank == value.npos) {
    return Fail(Code::kUnauthenticated, "authentication didn't succeed: no basic auth provided");
  }
  unsigned char decoded[1024];
  const std::string text = value.substr(blank + 1);
  std::string pair;
  if (text.size() % 4 == 0 && text.size() <= 1024) {
    const int size = EVP_DecodeBlock(decoded, reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    if (size > 0 && static_cast<size_t>(size) >= padding) {
      pair.assign(reinterpret_cast<const char*>(decoded), static_cast<size_t>(size) - padding);
    }
  }
  const size_t colon = pair.find(':');
  const auto user = colon == pair.npos ? users_.end() : users_.find(pair.substr(0, colon));
  const std::string digest = ShaOf(colon == pair.npos ? "" : pair.substr(colon + 1));
  if (user != users_.end() && pipeline::EqualsSecretly(digest, user->second)) return {};
  return Fail(Code::kUnauthenticated, "authentication didn't succeed: invalid credentials");
}

base::Result<std::pair<std::string, std::string>> BasicAuth::ClientHeader() const {
  if (!config_.client.has_value()) {
    return Fail(Code::kFailedPrecondition, "basicauth has no client_auth");
  }
  return std::pair(std::string("Authorization"),
                   HeaderValue(config_.client->first, config_.client->second));
}

}  // namespace narthex::extensions
