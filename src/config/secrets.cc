#include "config/secrets.h"

#include <algorithm>
#include <span>
#include <string_view>

namespace narthex::config {
namespace {

// Their values, and all texts below them.
constexpr std::string_view kSecretKeys[] = {"password",
                                            "credentials",
                                            "client_secret",
                                            "bearer_token",
                                            "key",
                                            "secrets",
                                            "secret_key",
                                            "api_token",
                                            "token",
                                            "secret",
                                            "service_key",
                                            "application_secret",
                                            "consumer_key",
                                            "proxy_connect_header",
                                            "application_credential_secret",
                                            "client_certificate_key"};
// Names below them are the user's.
constexpr std::string_view kUserKeys[] = {"labels", "external_labels", "params"};

bool Has(std::span<const std::string_view> keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

void MaskPassword(std::string& address) {
  const size_t scheme = address.find("://");
  if (scheme == std::string::npos) return;
  const size_t begin = scheme + 3;
  const size_t end = std::min(address.find('/', begin), address.size());
  const size_t at = address.rfind('@', end);
  if (at == std::string::npos || at < begin) return;
  const size_t colon = address.find(':', begin);
  if (colon < at) address.replace(colon + 1, at - colon - 1, "xxxxx");
}

// Recursion is bounded by the depth of what ParseYaml takes.
void Mask(Node& node, bool is_secret) {
  if (node.kind == Node::Kind::kScalar) {
    if (!is_secret) return MaskPassword(node.scalar);
    node.scalar = "<secret>";
    node.quoted = true;
  }
  for (Node& item : node.items) Mask(item, is_secret);
  for (auto& [key, value] : node.members) {
    if (Has(kUserKeys, key.scalar) && !is_secret) continue;
    Mask(value, is_secret || Has(kSecretKeys, key.scalar));
  }
}

}  // namespace

void MaskSecrets(Node& root) { Mask(root, false); }

}  // namespace narthex::config
