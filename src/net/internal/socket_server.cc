#include "net/internal/socket_server.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <charconv>

#include "base/check.h"

namespace narthex::net::internal {
namespace {

constexpr size_t kScratchBytes = 64 << 10;
constexpr std::chrono::milliseconds kAcceptRetry{100};  // After running out of descriptors.
constexpr std::chrono::milliseconds kDrainPoll{5};
constexpr std::chrono::milliseconds kHandshakeTime{10'000};

std::string PeerOf(const Tcp::socket& socket) {
  boost::system::error_code error;
  const Tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return "unknown";
  if (peer.data()->sa_family == AF_UNIX) return "unix";
  const std::string address = peer.address().to_string();
  return peer.address().is_v6() ? fmt::format("[{}]:{}", address, peer.port())
                                : fmt::format("{}:{}", address, peer.port());
}

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

base::Result<HostPort> ParseListenAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort out;
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (error == std::errc() && end == port.data() + port.size()) {
      out.host = host;
      return out;
    }
  }
  return base::Fail(base::Code::kInvalidArgument,
                    "listen address \"{}\" is not host:port (for example 127.0.0.1:9090 or :9090)",
                    text);
}

boost::system::error_code Listen(Tcp::acceptor& acceptor, const Tcp::endpoint& endpoint) {
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (error) return error;
  acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  const bool every_address = endpoint.address().is_unspecified();
  // One socket for both families, as Go listens on ":port".
  if (every_address && endpoint.address().is_v6()) {
    acceptor.set_option(asio::ip::v6_only(false), error);
  }
  acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

}  // namespace

base::Result<std::vector<Tcp::endpoint>> ResolveListenAddress(asio::io_context& context,
                                                              std::string_view text) {
  ASSIGN_OR_RETURN(const HostPort address, ParseListenAddress(text));
  if (address.host.empty()) {
    return std::vector<Tcp::endpoint>{Tcp::endpoint(Tcp::v6(), address.port),
                                      Tcp::endpoint(Tcp::v4(), address.port)};
  }
  boost::system::error_code error;
  Tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), Tcp::resolver::passive, error);
  if (error) {
    return base::Fail(base::Code::kInvalidArgument, "listen {}:{}: {}", address.host, address.port,
                      error.message());
  }
  return std::vector<Tcp::endpoint>(found.begin(), found.end());
}

std::unexpected<base::Error> ListenFailure(std::string_view address,
                                           const boost::system::error_code& error) {
  if (error == asio::error::address_in_use) {
    return base::Fail(base::Code::kUnavailable,
                      "listen {}: Address already in use (another program holds this port: stop "
                      "it, or choose another listen address)",
                      address);
  }
  if (error == asio::error::access_denied) {
    return base::Fail(base::Code::kPermissionDenied,
                      "listen {}: Permission denied (ports below 1024 need privileges: choose a "
                      "higher one)",
                      address);
  }
  return base::Fail(base::Code::kUnavailable, "listen {}: {}", address, error.message());
}

void LoopGate::Run(std::move_only_function<void()> function) {
  {
    base::MutexLock lock(mutex_);
    if (loop_ == nullptr) return;
    if (!loop_->OnThread()) {
      asio::post(loop_->context(), std::move(function));
      return;
    }
  }
  function();  // On its own thread the loop cannot end meanwhile.
}

void LoopGate::Close() {
  base::MutexLock lock(mutex_);
  loop_ = nullptr;
}

Connection::Connection(Loop& loop, Tcp::socket socket)
    : loop_(loop), stream_(std::move(socket)), peer_(PeerOf(stream_.socket())) {
  boost::system::error_code ignored;
  stream_.socket().set_option(Tcp::no_delay(true), ignored);
}

void Connection::Close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  stream_.socket().close(ignored);
  loop_.live_.fetch_sub(1);
  const std::shared_ptr<Connection> keep = std::move(*place_);
  loop_.connections_.erase(place_);
}

void Connection::Begin(TlsServer* tls, std::string_view protocol) {
  if (tls == nullptr) return Start();
  handshaking_ = true;
  SetDeadlineIn(kHandshakeTime);
  stream_.Handshake(tls->Current(), protocol,
                    [self = shared_from_this()](const boost::system::error_code& error) {
                      if (!self->closed()) self->HandshakeDone(error);
                    });
}

void Connection::HandshakeDone(const boost::system::error_code& error) {
  if (!error) {
    handshaking_ = false;
    return Start();
  }
  if (error.category() == asio::error::get_ssl_category() &&
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST) {
    static constexpr std::string_view kAnswer =
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    boost::system::error_code ignored;
    stream_.socket().non_blocking(true, ignored);
    stream_.socket().write_some(asio::buffer(kAnswer), ignored);
    stream_.socket().shutdown(Tcp::socket::shutdown_both, ignored);
  }
  Close();
}

void Connection::SetDeadlineIn(std::chrono::milliseconds delay) {
  deadline_ = std::chrono::steady_clock::now() + delay;
}

void Connection::MarkUsed() {
  if (closed_) return;
  loop_.connections_.splice(loop_.connections_.end(), loop_.connections_, place_);
}

Loop::Loop(std::atomic<size_t>& live, std::chrono::milliseconds sweep_period)
    : live_(live),
      sweep_period_(sweep_period),
      gate_(std::make_shared<LoopGate>(this)),
      sweep_timer_(context_),
      scratch_(kScratchBytes) {}

void Loop::StartThread() {
  thread_ = std::thread([this] { Serve(0); });
}

void Loop::Serve(size_t slot) {
  const auto work = asio::make_work_guard(context_);
  while (duty_.Await(slot)) {
    while (!context_.stopped() && duty_.OnDuty()) context_.run_one();
  }
}

bool Loop::RunWatched(std::move_only_function<void()>& function) {
  if (!OnThread()) return false;
  if (!watcher_.joinable()) watcher_ = std::thread([this] { Serve(1); });
  return duty_.Run(function);
}

void Loop::StopThread() {
  gate_->Close();
  if (!thread_.joinable()) return;
  asio::post(context_, [this] {
    while (!connections_.empty()) connections_.front()->Close();
    duty_.Stop();
    context_.stop();
  });
  thread_.join();
  if (watcher_.joinable()) watcher_.join();
}

void Loop::Adopt(std::shared_ptr<Connection> connection, TlsServer* tls,
                 std::string_view protocol) {
  Connection& added = *connection;
  added.place_ = connections_.insert(connections_.end(), std::move(connection));
  if (draining_) {
    added.Close();
    return;
  }
  added.Begin(tls, protocol);
  if (!sweeping_) Sweep();
}

bool Loop::CloseOldestIdle() {
  for (const std::shared_ptr<Connection>& connection : connections_) {
    if (!connection->handshaking_ && !connection->idle()) continue;
    connection->Close();
    return true;
  }
  return false;
}

void Loop::Drain() {
  draining_ = true;
  const std::list<std::shared_ptr<Connection>> connections = connections_;
  for (const std::shared_ptr<Connection>& connection : connections) {
    if (connection->closed()) continue;
    if (connection->handshaking_) {
      connection->Close();
    } else {
      connection->Drain();
    }
  }
}

void Loop::RunAfter(std::chrono::milliseconds delay, std::move_only_function<void()> function) {
  auto timer = std::make_unique<asio::steady_timer>(context_, delay);
  asio::steady_timer& waiting = *timer;
  waiting.async_wait([timer = std::move(timer), function = std::move(function)](
                         const boost::system::error_code& error) mutable {
    if (!error) function();
  });
}

// Runs only while there are connections: an idle server does not wake up.
void Loop::Sweep() {
  const SteadyTime now = std::chrono::steady_clock::now();
  for (auto next = connections_.begin(); next != connections_.end();) {
    const std::shared_ptr<Connection> connection = *next++;
    if (connection->deadline() > now) continue;
    if (connection->handshaking_) {
      connection->Close();
    } else {
      connection->Expire();
    }
  }
  sweeping_ = !connections_.empty();
  if (!sweeping_) return;
  sweep_timer_.expires_after(sweep_period_);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Sweep();
  });
}

SocketServer::SocketServer(Config config)
    : config_(std::move(config)),
      loops_([this] {
        std::vector<std::unique_ptr<Loop>> loops;
        for (size_t i = 0; i < config_.threads; ++i) {
          loops.push_back(std::make_unique<Loop>(live_, config_.sweep_period));
        }
        return loops;
      }()),
      acceptor_(loops_[0]->context()),
      workers_(config_.workers) {}

base::Result<std::unique_ptr<SocketServer>> SocketServer::Bind(Config config) {
  CHECK(config.threads > 0);
  std::unique_ptr<SocketServer> server(new SocketServer(std::move(config)));
  if (const auto path = UnixPath(server->config_.listen_address)) {
    ASSIGN_OR_RETURN(UnixListener listener,
                     UnixListener::Listen(*path, server->loops_[0]->context(), server->acceptor_));
    server->unix_listener_.emplace(std::move(listener));
    return server;
  }
  ASSIGN_OR_RETURN(
      const std::vector<Tcp::endpoint> endpoints,
      ResolveListenAddress(server->loops_[0]->context(), server->config_.listen_address));
  boost::system::error_code error = asio::error::host_not_found;
  for (const Tcp::endpoint& endpoint : endpoints) {
    error = Listen(server->acceptor_, endpoint);
    // Without IPv6 in the kernel, ":port" falls back to IPv4; a taken port is final.
    if (!error || error == asio::error::address_in_use) break;
  }
  if (error) return ListenFailure(server->config_.listen_address, error);
  server->port_ = server->acceptor_.local_endpoint().port();
  return server;
}

void SocketServer::Serve(Factory factory) {
  CHECK(!factory_);
  factory_ = std::move(factory);
  for (const std::unique_ptr<Loop>& loop : loops_) loop->StartThread();
  loops_[0]->gate()->Run([this] { Accept(); });
}

void SocketServer::Accept() {
  Loop& loop = *loops_[next_loop_];
  next_loop_ = (next_loop_ + 1) % loops_.size();
  acceptor_.async_accept(
      loop.context(), [this, &loop](const boost::system::error_code& error, Tcp::socket socket) {
        if (!acceptor_.is_open()) return;
        if (error == asio::error::no_descriptors || error == asio::error::no_memory) {
          loops_[0]->RunAfter(kAcceptRetry, [this] { Accept(); });
          return;
        }
        if (!error) Place(loop, std::move(socket));
        Accept();
      });
}

void SocketServer::Place(Loop& loop, Tcp::socket socket) {
  const bool full = live_.fetch_add(1) >= config_.connections_max;
  loop.gate()->Run([this, &loop, full, socket = std::move(socket)]() mutable {
    // Where every connection is busy, the newcomer has to go.
    if (full && !loop.CloseOldestIdle()) {
      live_.fetch_sub(1);
      return;
    }
    loop.Adopt(factory_(loop, std::move(socket)), config_.tls.get(), config_.protocol);
  });
}

void SocketServer::RunAfter(std::chrono::milliseconds delay,
                            std::move_only_function<void()> function) {
  Loop& loop = *loops_[0];
  loop.gate()->Run([&loop, delay, function = std::move(function)]() mutable {
    loop.RunAfter(delay, std::move(function));
  });
}

bool SocketServer::RunWatched(std::move_only_function<void()>& function) {
  return std::ranges::any_of(loops_, [&](const auto& loop) { return loop->RunWatched(function); });
}

void SocketServer::Stop(std::chrono::milliseconds drain) {
  base::MutexLock lock(stop_mutex_);
  if (stopped_) return;
  stopped_ = true;
  unix_listener_.reset();  // Who comes now finds no server instead of one that does not answer.
  if (!factory_) return;
  for (const std::unique_ptr<Loop>& loop : loops_) CHECK(!loop->OnThread());
  loops_[0]->gate()->Run([this] {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  });
  for (const std::unique_ptr<Loop>& loop : loops_) {
    loop->gate()->Run([loop = loop.get()] { loop->Drain(); });
  }
  const SteadyTime deadline = std::chrono::steady_clock::now() + drain;
  while (live_ > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kDrainPoll);
  }
  workers_.Stop();
  for (const std::unique_ptr<Loop>& loop : loops_) loop->StopThread();
}

}  // namespace narthex::net::internal
