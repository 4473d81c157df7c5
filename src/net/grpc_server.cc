#include "net/grpc_server.h"

#include <algorithm>

#include "base/check.h"
#include "net/internal/grpc_connection.h"
#include "net/internal/socket_server.h"

namespace narthex::net {

GrpcResponder::GrpcResponder(GrpcResponder&& other) noexcept
    : send_(std::exchange(other.send_, nullptr)) {}

GrpcResponder& GrpcResponder::operator=(GrpcResponder&& other) noexcept {
  if (this != &other) {
    Drop();
    send_ = std::exchange(other.send_, nullptr);
  }
  return *this;
}

GrpcResponder::~GrpcResponder() { Drop(); }

void GrpcResponder::Send(std::string message) {
  Answer({.message = std::move(message), .status_details = {}});
}

void GrpcResponder::Fail(base::Error error, std::string status_details) {
  Answer(
      {.message = std::unexpected(std::move(error)), .status_details = std::move(status_details)});
}

void GrpcResponder::Answer(GrpcAnswer answer) {
  CHECK(send_ != nullptr);
  std::exchange(send_, nullptr)(std::move(answer));
}

void GrpcResponder::Drop() {
  if (send_ != nullptr) Fail({base::Code::kInternal, "the call was not answered"});
}

namespace {

// Fine enough for the shortest time limit, and no more than one wake-up a second by default.
std::chrono::milliseconds SweepPeriod(const GrpcServer::Config& config) {
  auto shortest = std::min(config.stall_timeout, config.idle_timeout);
  for (const auto limit :
       {config.age_max, config.age_grace, config.ping_interval, config.ping_timeout}) {
    if (limit.count() > 0) shortest = std::min(shortest, limit);
  }
  return std::clamp(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
}

}  // namespace

struct GrpcServer::State {
  Config config;
  GrpcHandler handler;
  std::unique_ptr<internal::SocketServer> sockets;
};

GrpcServer::GrpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

GrpcServer::~GrpcServer() { Stop(std::chrono::milliseconds(0)); }

base::Result<std::unique_ptr<GrpcServer>> GrpcServer::Bind(Config config) {
  auto state = std::make_unique<State>();
  const internal::SocketServer::Config sockets = {
      .listen_address = config.listen_address,
      .threads = config.threads,
      .workers = config.workers,
      .connections_max = config.connections_max,
      .sweep_period = SweepPeriod(config),
      .tls = config.tls,
      .protocol = "h2",
  };
  ASSIGN_OR_RETURN(state->sockets, internal::SocketServer::Bind(sockets));
  state->config = std::move(config);
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(state)));
}

base::Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(Config config, GrpcHandler handler) {
  ASSIGN_OR_RETURN(std::unique_ptr<GrpcServer> server, Bind(std::move(config)));
  server->Serve(std::move(handler));
  return server;
}

void GrpcServer::Serve(GrpcHandler handler) {
  state_->handler = std::move(handler);
  State* state = state_.get();
  state->sockets->Serve([state](internal::Loop& loop, internal::Tcp::socket socket) {
    return std::make_shared<internal::GrpcConnection>(loop, std::move(socket), state->config,
                                                      state->handler);
  });
}

uint16_t GrpcServer::port() const { return state_->sockets->port(); }

void GrpcServer::RunBlocking(std::move_only_function<void()> function) {
  state_->sockets->RunBlocking(std::move(function));
}

void GrpcServer::Stop(std::chrono::milliseconds drain) { state_->sockets->Stop(drain); }

}  // namespace narthex::net
