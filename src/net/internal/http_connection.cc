#include "net/internal/http_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <cerrno>

#include "compress/compress.h"

namespace narthex::net::internal {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kCompressBytesMin = 1024;
constexpr size_t kBytesPerSecondMin = 1024;
constexpr size_t kBodyReadBytes = 64 << 10;
constexpr size_t kReadAheadBytes = 4 << 10;
constexpr size_t kHeaderReadBytes = 2 << 10;  // Most requests in one read.
constexpr std::chrono::milliseconds kLingerTime{2000};

// Compresses where the peer allows it and it pays. Called on the thread that answers.
void Compress(HttpResponse& response, bool accepted) {
  if (response.body.size() <= kCompressBytesMin || response.headers.Has("Content-Encoding")) return;
  response.headers.Add("Vary", "Accept-Encoding");
  if (!accepted) return;
  std::string compressed = compress::GzipEncode(response.body);
  if (compressed.size() >= response.body.size()) return;
  response.body = std::move(compressed);
  response.headers.Add("Content-Encoding", "gzip");
}

bool IsFieldSafe(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

bool MayHaveBody(int status) { return status >= 200 && status != 204 && status != 304; }

std::string FormatHead(const HttpResponse& response, bool keep_alive, bool is_http_1_0) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, StatusText(response.status));
  for (const auto& [name, value] : response.headers.fields()) {
    // Response splitting ends here, whoever let a line break through.
    if (!IsFieldSafe(name) || !IsFieldSafe(value)) continue;
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
  }
  if (MayHaveBody(response.status)) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", response.body.size());
  }
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (is_http_1_0) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

// Splits the request target; drops scheme and authority of the absolute form.
void SplitTarget(std::string_view target, HttpRequest& request) {
  if (!target.starts_with('/')) {
    const size_t scheme = target.find("://");
    if (scheme != std::string_view::npos) {
      target.remove_prefix(scheme + 3);
      target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
    }
  }
  const size_t mark = std::min(target.find('?'), target.size());
  request.path = target.substr(0, mark);
  if (request.path.empty()) request.path = "/";
  if (mark < target.size()) request.query = target.substr(mark + 1);
}

}  // namespace

HttpConnection::HttpConnection(Loop& loop, Tcp::socket socket, const HttpServer::Config& config,
                               const HttpHandler& handler)
    : Connection(loop, std::move(socket)),
      config_(config),
      handler_(handler),
      buffer_(config.header_bytes_max + kBodyReadBytes) {}

std::shared_ptr<HttpConnection> HttpConnection::Self() {
  return std::static_pointer_cast<HttpConnection>(shared_from_this());
}

void HttpConnection::Start() { AwaitRequest(config_.header_timeout); }

void HttpConnection::Drain() {
  draining_ = true;
  if (state_ == State::kIdle) Close();
}

void HttpConnection::AwaitRequest(std::chrono::milliseconds timeout) {
  state_ = State::kIdle;
  if (draining_) return Close();
  if (buffer_.size() > 0) return ReadHeader();  // The next request is here already.
  SetDeadlineIn(timeout);
  if (stream_.is_tls()) return AwaitDecrypted();
  buffer_.shrink_to_fit();
  stream_.socket().async_wait(Tcp::socket::wait_read, [self = Self()](const ErrorCode& error) {
    if (self->closed()) return;
    if (error) return self->Close();
    self->ReadHeader();
  });
}

// Under TLS the socket tells nothing: only a read shows what has come. One at a time; it may begin
// while a request is being handled and end when the next is due.
void HttpConnection::AwaitDecrypted() {
  if (reading_ahead_) return;
  reading_ahead_ = true;
  stream_.async_read_some(buffer_.prepare(kReadAheadBytes),
                          [self = Self()](const ErrorCode& error, size_t count) {
                            self->reading_ahead_ = false;
                            if (self->closed()) return;
                            if (error) {
                              if (self->state_ == State::kIdle) return self->Close();
                              self->gone_.request_stop();
                              return;
                            }
                            self->buffer_.commit(count);
                            if (self->state_ == State::kIdle) self->ReadHeader();
                          });
}

void HttpConnection::ReadHeader() {
  state_ = State::kHeader;
  SetDeadlineIn(config_.header_timeout);
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(config_.header_bytes_max));
  parser_->body_limit(config_.body_bytes_max);
  buffer_.reserve(std::min(kHeaderReadBytes, buffer_.max_size()));
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = Self()](const ErrorCode& error, size_t) {
                            if (self->closed()) return;
                            if (error) return self->Refuse(error);
                            self->HeaderRead();
                          });
}

void HttpConnection::HeaderRead() {
  MarkUsed();
  state_ = State::kBody;
  transfer_start_ = std::chrono::steady_clock::now();
  SetTransferDeadline(0);
  const auto& header = parser_->get();
  is_head_ = header.method() == http::verb::head;
  is_http_1_0_ = header.version() < 11;
  keep_alive_ = parser_->keep_alive() && config_.keep_alives;
  if (parser_->is_done()) return Handle();
  // As left by the header the buffer would take a body in reads of 512 bytes.
  buffer_.reserve(
      std::min<uint64_t>(parser_->content_length().value_or(kBodyReadBytes), kBodyReadBytes));
  if (!beast::iequals(header[http::field::expect], "100-continue")) return ReadBody();
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue),
                    [self = Self()](const ErrorCode& error, size_t) {
                      if (self->closed()) return;
                      if (error) return self->Close();
                      self->ReadBody();
                    });
}

void HttpConnection::ReadBody() {
  http::async_read_some(stream_, buffer_, *parser_,
                        [self = Self()](const ErrorCode& error, size_t) {
                          if (self->closed()) return;
                          if (error) return self->Refuse(error);
                          self->SetTransferDeadline(self->parser_->get().body().size());
                          if (self->parser_->is_done()) return self->Handle();
                          self->ReadBody();
                        });
}

void HttpConnection::SetTransferDeadline(size_t bytes) {
  const std::chrono::milliseconds limit =
      state_ == State::kWriting ? config_.write_timeout : config_.read_timeout;
  const std::chrono::milliseconds pace =
      config_.transfer_grace + std::chrono::milliseconds(bytes * 1000 / kBytesPerSecondMin);
  SetDeadline(transfer_start_ + (limit.count() > 0 ? std::min(limit, pace) : pace));
}

void HttpConnection::Handle() {
  state_ = State::kHandling;
  SetDeadline(SteadyTime::max());
  auto message = parser_->release();
  parser_.reset();
  HttpRequest request;
  request.method = message.method_string();
  SplitTarget(message.target(), request);
  for (const auto& field : message) request.headers.Add(field.name_string(), field.value());
  request.body = std::move(message.body());
  request.peer = peer_;
  gone_ = std::stop_source();
  request.stop = gone_.get_token();
  ++requests_;
  WatchPeer();
  const bool gzip =
      config_.compress_responses && AcceptsGzip(request.headers.Get("Accept-Encoding"));
  std::weak_ptr<HttpConnection> self = Self();
  handler_(std::move(request),
           Responder([self = std::move(self), gate = loop_.gate(), gzip,
                      compress = config_.compress_responses](HttpResponse response) mutable {
             if (compress) Compress(response, gzip);
             gate->Run([self = std::move(self), response = std::move(response)]() mutable {
               const std::shared_ptr<HttpConnection> connection = self.lock();
               if (connection != nullptr && !connection->closed()) {
                 connection->Answer(std::move(response));
               }
             });
           }));
}

void HttpConnection::WatchPeer() {
  // With more input the peer is there; its end shows behind that.
  if (buffer_.size() > 0) return;
  if (stream_.is_tls()) return AwaitDecrypted();
  stream_.socket().async_wait(
      Tcp::socket::wait_read, [self = Self(), request = requests_](const ErrorCode& error) {
        // What is read after the answer is no business of ours any more.
        if (self->state_ != State::kHandling || self->requests_ != request) return;
        char byte;
        const ssize_t peeked =
            ::recv(self->stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        const bool none_yet = peeked < 0 && (errno == EAGAIN || errno == EINTR);
        if (error || (peeked <= 0 && !none_yet)) self->gone_.request_stop();
      });
}

void HttpConnection::Refuse(const ErrorCode& error) {
  unread_input_ = true;
  keep_alive_ = false;
  if (error == http::error::body_limit) {
    return Answer(HttpResponse::Text(
        413, fmt::format("request body over the limit of {} bytes\n", config_.body_bytes_max)));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Answer(HttpResponse::Text(
        431, fmt::format("request header over the limit of {} bytes\n", config_.header_bytes_max)));
  }
  const bool malformed =
      error.category() == http::make_error_code(http::error::bad_method).category();
  if (malformed && error != http::error::end_of_stream && error != http::error::partial_message) {
    return Answer(HttpResponse::Text(400, "malformed HTTP request: " + error.message() + "\n"));
  }
  Close();
}

void HttpConnection::Answer(HttpResponse response) {
  state_ = State::kWriting;
  if (draining_) keep_alive_ = false;
  for (const auto& [name, value] : config_.response_headers) {
    if (!response.headers.Has(name)) response.headers.Add(name, value);
  }
  head_ = FormatHead(response, keep_alive_, is_http_1_0_);
  body_ = is_head_ || !MayHaveBody(response.status) ? std::string() : std::move(response.body);
  written_ = 0;
  transfer_start_ = std::chrono::steady_clock::now();
  SetTransferDeadline(0);
  Write();
}

void HttpConnection::Write() {
  const size_t from_head = std::min(written_, head_.size());
  const size_t from_body = written_ - from_head;
  const std::array<asio::const_buffer, 2> rest = {
      asio::buffer(head_.data() + from_head, head_.size() - from_head),
      asio::buffer(body_.data() + from_body, body_.size() - from_body)};
  stream_.async_write_some(rest, [self = Self()](const ErrorCode& error, size_t bytes) {
    if (self->closed()) return;
    if (error) return self->Close();
    self->written_ += bytes;
    self->SetTransferDeadline(self->written_);
    if (self->written_ < self->head_.size() + self->body_.size()) return self->Write();
    self->Written();
  });
}

void HttpConnection::Written() {
  head_.clear();
  body_ = std::string();
  if (keep_alive_) return AwaitRequest(config_.idle_timeout);
  CloseGently();
}

void HttpConnection::CloseGently() {
  if (!unread_input_ && !stream_.is_tls()) {
    ErrorCode ignored;
    stream_.socket().shutdown(Tcp::socket::shutdown_both, ignored);
    return Close();
  }
  state_ = State::kLingering;
  SetDeadlineIn(kLingerTime);
  // Under TLS the close is a message of its own, and waits for the peer's; input that comes first
  // is an error there.
  stream_.ShutdownSend([self = Self()](const ErrorCode&) {
    if (self->closed()) return;
    if (!self->unread_input_) return self->Close();
    ErrorCode ignored;
    self->stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
    self->Linger();
  });
}

// Closing a socket with unread input resets the connection, and the peer may lose our answer: so
// read and forget for a while, under TLS without deciphering it.
void HttpConnection::Linger() {
  stream_.socket().async_read_some(asio::buffer(loop_.scratch()),
                                   [self = Self()](const ErrorCode& error, size_t) {
                                     if (self->closed()) return;
                                     if (error) return self->Close();
                                     self->Linger();
                                   });
}

}  // namespace narthex::net::internal
