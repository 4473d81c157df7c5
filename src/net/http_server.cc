#include "net/http_server.h"

#include <algorithm>

#include "base/check.h"
#include "net/internal/http_connection.h"
#include "net/internal/socket_server.h"

namespace narthex::net {

Responder::Responder(Responder&& other) noexcept : send_(std::exchange(other.send_, nullptr)) {}

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    Drop();
    send_ = std::exchange(other.send_, nullptr);
  }
  return *this;
}

Responder::~Responder() { Drop(); }

void Responder::Send(HttpResponse response) {
  CHECK(send_ != nullptr);
  std::exchange(send_, nullptr)(std::move(response));
}

void Responder::Drop() {
  if (send_ != nullptr) Send(HttpResponse::Text(500, "the request was not answered\n"));
}

struct HttpServer::State {
  Config config;
  HttpHandler handler;
  std::unique_ptr<internal::SocketServer> sockets;
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() { Stop(std::chrono::milliseconds(0)); }

base::Result<std::unique_ptr<HttpServer>> HttpServer::Bind(Config config) {
  auto state = std::make_unique<State>();
  // Fine enough for the shortest time limit, and no more than one wake-up a second by default.
  const auto shortest =
      std::min({config.header_timeout, config.transfer_grace, config.idle_timeout});
  const internal::SocketServer::Config sockets = {
      .listen_address = config.listen_address,
      .threads = config.threads,
      .workers = config.workers,
      .connections_max = config.connections_max,
      .sweep_period = std::clamp<std::chrono::milliseconds>(
          shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(1000)),
      .tls = config.tls,
  };
  ASSIGN_OR_RETURN(state->sockets, internal::SocketServer::Bind(sockets));
  state->config = std::move(config);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

base::Result<std::unique_ptr<HttpServer>> HttpServer::Start(Config config, HttpHandler handler) {
  ASSIGN_OR_RETURN(std::unique_ptr<HttpServer> server, Bind(std::move(config)));
  server->Serve(std::move(handler));
  return server;
}

void HttpServer::Serve(HttpHandler handler) {
  state_->handler = std::move(handler);
  State* state = state_.get();
  state->sockets->Serve([state](internal::Loop& loop, internal::Tcp::socket socket) {
    return std::make_shared<internal::HttpConnection>(loop, std::move(socket), state->config,
                                                      state->handler);
  });
}

uint16_t HttpServer::port() const { return state_->sockets->port(); }

void HttpServer::RunAfter(std::chrono::milliseconds delay,
                          std::move_only_function<void()> function) {
  state_->sockets->RunAfter(delay, std::move(function));
}

void HttpServer::RunBlocking(std::move_only_function<void()> function) {
  state_->sockets->RunBlocking(std::move(function));
}

bool HttpServer::RunWatched(std::move_only_function<void()>& function) {
  return state_->sockets->RunWatched(function);
}

void HttpServer::Stop(std::chrono::milliseconds drain) { state_->sockets->Stop(drain); }

bool AcceptsGzip(std::string_view accept_encoding) {
  size_t begin = 0;
  while (begin < accept_encoding.size()) {
    const size_t end = std::min(accept_encoding.find(',', begin), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(begin, end - begin);
    begin = end + 1;
    const std::string coding = MediaType(item);
    if (coding != "gzip" && coding != "*") continue;
    const std::string quality = MediaTypeParameter(item, "q");
    return quality.find_first_not_of("0.") != std::string::npos || quality.empty();
  }
  return false;
}

}  // namespace narthex::net
