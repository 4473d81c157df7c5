#include "net/internal/unix_listener.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <utility>

namespace narthex::net::internal {
namespace {

using Local = asio::local::stream_protocol;
using base::Code;
using boost::system::error_code;

constexpr size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;

error_code TryListen(Local::acceptor& listener, const Local::endpoint& endpoint) {
  error_code error;
  listener.open(endpoint.protocol(), error);
  if (!error) listener.bind(endpoint, error);
  if (!error) listener.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    error_code ignored;
    listener.close(ignored);
  }
  return error;
}

// A socket's file that nobody listens on any more.
bool IsLeftBehind(const std::string& path, const Local::endpoint& endpoint,
                  asio::io_context& context) {
  struct stat found;
  if (lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
  error_code error;
  Local::socket(context).connect(endpoint, error);
  return error == asio::error::connection_refused;
}

}  // namespace

std::optional<std::string_view> UnixPath(std::string_view listen_address) {
  constexpr std::string_view kPrefix = "unix:";
  if (!listen_address.starts_with(kPrefix)) return std::nullopt;
  return listen_address.substr(kPrefix.size());
}

base::Result<UnixListener> UnixListener::Listen(std::string_view path, asio::io_context& context,
                                                Tcp::acceptor& acceptor) {
  if (path.empty() || path.size() > kPathBytesMax || path.find('\0') != std::string_view::npos) {
    return base::Fail(Code::kInvalidArgument,
                      "listen unix:{}: the path of a Unix socket has 1 to {} bytes", path,
                      kPathBytesMax);
  }
  const bool is_abstract = path.starts_with('@');
  std::string name(path);
  if (is_abstract) name[0] = '\0';
  const Local::endpoint endpoint(name);
  Local::acceptor listener(context);
  error_code error = TryListen(listener, endpoint);
  if (error == asio::error::address_in_use && !is_abstract &&
      IsLeftBehind(name, endpoint, context)) {
    unlink(name.c_str());
    error = TryListen(listener, endpoint);
  }
  if (error == asio::error::address_in_use) {
    return base::Fail(Code::kUnavailable,
                      "listen unix:{}: Address already in use (another program listens there, or "
                      "the file is no socket: stop it, or choose another path)",
                      path);
  }
  if (error) return base::Fail(Code::kUnavailable, "listen unix:{}: {}", path, error.message());
  if (is_abstract) {
    acceptor.assign(Tcp::v4(), listener.release());
    return UnixListener({}, 0, 0);
  }
  struct stat made{};
  if (lstat(name.c_str(), &made) != 0) made = {};
  // To everything behind, a connection is a connection.
  acceptor.assign(Tcp::v4(), listener.release());
  return UnixListener(name, made.st_dev, made.st_ino);
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

UnixListener::~UnixListener() {
  struct stat found;
  if (path_.empty() || lstat(path_.c_str(), &found) != 0) return;
  if (found.st_dev == device_ && found.st_ino == inode_) unlink(path_.c_str());
}

}  // namespace narthex::net::internal
