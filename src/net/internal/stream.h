#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <memory>
#include <string_view>
#include <utility>

namespace narthex::net::internal {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

// What a handshake needs. Immutable once in use.
struct TlsContext {
  asio::ssl::context ssl{asio::ssl::context::tls_server};
};

// Has connections of this context speak the protocol that their Stream names (ALPN).
void ChooseProtocols(TlsContext& context);

// A socket with or without TLS on it: an AsyncReadStream and AsyncWriteStream of Asio. One thread
// at a time.
class Stream {
 public:
  using ErrorCode = boost::system::error_code;
  using executor_type = Tcp::socket::executor_type;

  explicit Stream(Tcp::socket socket) : socket_(std::move(socket)) {}

  executor_type get_executor() { return socket_.get_executor(); }
  Tcp::socket& socket() { return socket_; }
  bool is_tls() const { return tls_ != nullptr; }

  // `protocol` by ALPN: "http/1.1" or "h2"; a peer that offers others is refused, one that offers
  // none is not.
  template <class Handler>
  void Handshake(std::shared_ptr<TlsContext> context, std::string_view protocol, Handler handler) {
    BeginTls(std::move(context), protocol);
    tls_->async_handshake(asio::ssl::stream_base::server, std::move(handler));
  }
  // Says that nothing more comes. `handler` is called with an error code, possibly at once.
  template <class Handler>
  void ShutdownSend(Handler handler) {
    if (is_tls()) return tls_->async_shutdown(std::move(handler));
    ErrorCode ignored;
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    handler(ErrorCode());
  }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    if (is_tls()) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    return socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    if (is_tls()) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    return socket_.async_write_some(buffers, std::forward<Handler>(handler));
  }

 private:
  void BeginTls(std::shared_ptr<TlsContext> context, std::string_view protocol);

  Tcp::socket socket_;
  std::shared_ptr<TlsContext> context_;
  std::unique_ptr<asio::ssl::stream<Tcp::socket&>> tls_;
};

}  // namespace narthex::net::internal
