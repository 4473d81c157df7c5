#pragma once

#include <string>
#include <string_view>

namespace narthex::net::internal {

// What an absolute URL says of where to go, in lower case. A value.
struct UrlParts {
  std::string scheme;
  std::string host;  // Without brackets.
  std::string port;  // The scheme's usual one where none is named.

  static UrlParts Of(std::string_view url);
};

// Whether a host is one of a NO_PROXY list: names, domains, addresses, networks, each with a port
// or without, separated by commas; "*" is all.
bool IsExcepted(std::string_view list, const UrlParts& url);
// "localhost", 127.0.0.0/8 and ::1.
bool IsLoopback(std::string_view host);

}  // namespace narthex::net::internal
