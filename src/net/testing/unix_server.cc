#include "net/testing/unix_server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/check.h"

namespace narthex::net {

UnixServer::UnixServer(std::string path, std::string answer)
    : path_(std::move(path)),
      answer_(std::move(answer)),
      listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  CHECK(listener_ >= 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(path_.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path_.data(), path_.size());
  unlink(path_.c_str());
  CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener_, 8) == 0);
  thread_ = std::thread([this] { Serve(); });
}

UnixServer::~UnixServer() {
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
  unlink(path_.c_str());
}

std::string UnixServer::request() {
  base::MutexLock lock(mutex_);
  return request_;
}

void UnixServer::Serve() {
  for (;;) {
    const int peer = accept(listener_, nullptr, nullptr);
    if (peer < 0) return;
    std::string head;
    char buffer[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
      const ssize_t count = recv(peer, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      head.append(buffer, static_cast<size_t>(count));
    }
    {
      base::MutexLock lock(mutex_);
      request_ = std::move(head);
    }
    (void)send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    close(peer);
  }
}

}  // namespace narthex::net
