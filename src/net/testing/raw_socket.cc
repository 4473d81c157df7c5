#include "net/testing/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace narthex::net {

RawSocket::RawSocket(uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  CHECK(descriptor_ >= 0);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
}

RawSocket::~RawSocket() { close(descriptor_); }

bool RawSocket::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string RawSocket::ReadUntil(std::string_view text) {
  while (received_.find(text) == std::string::npos && ReadSome()) {
  }
  return std::exchange(received_, {});
}

std::string RawSocket::ReadAll() {
  while (ReadSome()) {
  }
  return std::exchange(received_, {});
}

bool RawSocket::ReadSome() {
  char buffer[16 << 10];
  const ssize_t count = recv(descriptor_, buffer, sizeof(buffer), 0);
  if (count <= 0) {
    closed_ = count == 0 || errno == ECONNRESET;
    return false;
  }
  received_.append(buffer, static_cast<size_t>(count));
  return true;
}

}  // namespace narthex::net
