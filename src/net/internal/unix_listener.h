#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/internal/stream.h"

namespace narthex::net::internal {

// The path of "unix:/run/collector.sock", or "@name" of an abstract socket's "unix:@name"; nullopt
// for an address of another kind.
std::optional<std::string_view> UnixPath(std::string_view listen_address);

// The file of a Unix socket that somebody listens on, as Go's net.Listen keeps it: it goes with the
// listener, unless another has taken its place. One left behind by a process that is gone does not
// stand in the way of the next. An abstract socket has a name and no file. One thread at a time.
// Source: unix(7).
class UnixListener {
 public:
  // Opens `acceptor` on it. Errors: kInvalidArgument for a path that is too long, kUnavailable
  // where another process listens there, or something else has the name; those of the file system.
  static base::Result<UnixListener> Listen(std::string_view path, asio::io_context& context,
                                           Tcp::acceptor& acceptor);
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

 private:
  UnixListener(std::string path, uint64_t device, uint64_t inode)
      : path_(std::move(path)), device_(device), inode_(inode) {}

  std::string path_;  // Empty: moved from, or abstract.
  uint64_t device_ = 0, inode_ = 0;
};

}  // namespace narthex::net::internal
