#include "net/host_name.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <memory>

namespace narthex::net {
namespace {

using Found = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Found Resolve(const std::string& name, int flags) {
  addrinfo hints{};
  hints.ai_flags = flags;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

}  // namespace

std::string CanonicalHostName(const std::string& name) {
  const Found found = Resolve(name, AI_CANONNAME);
  if (found == nullptr || found->ai_canonname == nullptr) return "";
  const std::string canonical = found->ai_canonname;
  return canonical == name ? "" : canonical;
}

std::string ReverseHostName(const std::string& name) {
  const Found found = Resolve(name, 0);
  if (found == nullptr) return "";
  char host[NI_MAXHOST];
  const int result =
      getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), nullptr, 0, NI_NAMEREQD);
  return result == 0 ? host : "";
}

std::string ShortAddress(const std::string& address) {
  in6_addr parsed{};
  char text[INET6_ADDRSTRLEN];
  if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1 ||
      inet_ntop(AF_INET6, &parsed, text, sizeof(text)) == nullptr) {
    return address;
  }
  return text;
}

}  // namespace narthex::net
