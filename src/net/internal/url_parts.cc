#include "net/internal/url_parts.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ascii.h"

namespace narthex::net::internal {
namespace {

// "host:port", "[::1]:port" or a host alone.
void SplitAuthority(std::string_view authority, std::string& host, std::string& port) {
  const size_t bracket = authority.find(']');
  const size_t colon = authority.rfind(':');
  const bool has_port =
      colon != authority.npos &&
      (bracket == authority.npos ? authority.find(':') == colon : colon > bracket);
  if (has_port) port = authority.substr(colon + 1);
  std::string_view name = has_port ? authority.substr(0, colon) : authority;
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  host = base::LowerCase(name);
}

// The bytes of an address: 4 or 16; none for a name.
std::vector<uint8_t> AddressBytes(const std::string& text) {
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1)
    return {bytes.begin(), bytes.begin() + 4};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.begin(), bytes.end()};
  return {};
}

bool IsInNetwork(const std::string& host, std::string_view network) {
  const size_t slash = network.find('/');
  const std::vector<uint8_t> base = AddressBytes(std::string(network.substr(0, slash)));
  const std::vector<uint8_t> address = AddressBytes(host);
  size_t bits = 0;
  const std::string_view length = network.substr(slash + 1);
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  if (error != std::errc() || end != length.data() + length.size()) return false;
  if (address.empty() || base.size() != address.size() || bits > 8 * base.size()) return false;
  for (size_t i = 0; i < bits; ++i) {
    if (((base[i / 8] ^ address[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

bool Matches(std::string_view entry, const UrlParts& url) {
  if (entry == "*") return true;
  if (entry.find('/') != entry.npos) return IsInNetwork(url.host, entry);
  std::string host, port;
  // An IPv6 address without brackets has colons, but no port.
  SplitAuthority(entry, host, port);
  if (!port.empty() && port != url.port) return false;
  if (host.starts_with("*.")) host.erase(0, 1);
  if (host.starts_with('.')) return url.host.ends_with(host);
  return url.host == host || (url.host.ends_with("." + host) && AddressBytes(url.host).empty());
}

}  // namespace

UrlParts UrlParts::Of(std::string_view url) {
  UrlParts parts;
  const size_t scheme = url.find("://");
  if (scheme == url.npos) return parts;
  parts.scheme = base::LowerCase(url.substr(0, scheme));
  url.remove_prefix(scheme + 3);
  std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  const size_t at = authority.rfind('@');
  if (at != authority.npos) authority.remove_prefix(at + 1);
  SplitAuthority(authority, parts.host, parts.port);
  if (parts.port.empty()) parts.port = parts.scheme == "https" ? "443" : "80";
  return parts;
}

bool IsExcepted(std::string_view list, const UrlParts& url) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string entry = base::LowerCase(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    std::erase(entry, ' ');
    if (!entry.empty() && Matches(entry, url)) return true;
  }
  return false;
}

bool IsLoopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  return IsInNetwork(std::string(host), "127.0.0.0/8");
}

}  // namespace narthex::net::internal
