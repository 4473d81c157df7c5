#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "net/http_server.h"
#include "net/internal/socket_server.h"

namespace narthex::net::internal {

// HTTP/1.1 on one socket: one request at a time, read whole, handed out, answered whole.
class HttpConnection : public Connection {
 public:
  HttpConnection(Loop& loop, Tcp::socket socket, const HttpServer::Config& config,
                 const HttpHandler& handler);

  ~HttpConnection() override { gone_.request_stop(); }

  void Start() override;
  void Drain() override;
  bool idle() const override { return state_ == State::kIdle || state_ == State::kHeader; }

 private:
  enum class State { kIdle, kHeader, kBody, kHandling, kWriting, kLingering };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using ErrorCode = boost::system::error_code;

  std::shared_ptr<HttpConnection> Self();
  void AwaitRequest(std::chrono::milliseconds timeout);
  void AwaitDecrypted();
  void ReadHeader();
  void HeaderRead();
  void ReadBody();
  void Handle();
  // Looks out for the peer's end while its request is being handled.
  void WatchPeer();
  void Refuse(const ErrorCode& error);
  void Answer(HttpResponse response);
  void Write();
  void Written();
  void Linger();
  void CloseGently();
  // The peer must have moved `bytes` by then.
  void SetTransferDeadline(size_t bytes);

  const HttpServer::Config& config_;
  const HttpHandler& handler_;
  State state_ = State::kIdle;
  bool draining_ = false;
  bool keep_alive_ = false;
  bool is_head_ = false;
  bool is_http_1_0_ = false;
  bool reading_ahead_ = false;  // Under TLS, into buffer_.
  bool unread_input_ = false;   // The peer may still be sending: close with care.
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string head_;  // Of the answer.
  std::string body_;
  size_t written_ = 0;
  SteadyTime transfer_start_;
  std::stop_source gone_{std::nostopstate};  // Of the request being handled.
  uint64_t requests_ = 0;
};

}  // namespace narthex::net::internal
