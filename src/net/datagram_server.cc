#include "net/datagram_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <thread>
#include <vector>

#include "net/internal/socket_server.h"

namespace narthex::net {
namespace {

using internal::asio::ip::udp;
using ErrorCode = boost::system::error_code;

constexpr size_t kDatagramBytes = 64 << 10;
constexpr int kReceiveBufferBytes = 4 << 20;  // As much of it as the system allows.

ErrorCode Open(udp::socket& socket, const internal::Tcp::endpoint& at) {
  const udp::endpoint endpoint(at.address(), at.port());
  ErrorCode error, ignored;
  socket.open(endpoint.protocol(), error);
  if (error) return error;
  if (endpoint.address().is_unspecified() && endpoint.address().is_v6()) {
    socket.set_option(internal::asio::ip::v6_only(false), ignored);
  }
  socket.set_option(udp::socket::receive_buffer_size(kReceiveBufferBytes), ignored);
  socket.bind(endpoint, error);
  if (error) socket.close(ignored);
  return error;
}

// The lines of one connection.
class LineConnection final : public internal::Connection {
 public:
  LineConnection(internal::Loop& loop, internal::Tcp::socket socket,
                 const LineServer::Config& config, const LineServer::Handler& handler)
      : Connection(loop, std::move(socket)), config_(config), handler_(handler) {}

  void Start() override { Read(); }
  // What has been received is handed out already, but for a line that is not whole.
  void Drain() override { Close(); }
  bool idle() const override { return true; }

 private:
  void Read() {
    SetDeadlineIn(config_.idle_timeout);
    stream_.socket().async_wait(internal::Tcp::socket::wait_read,
                                [self = std::static_pointer_cast<LineConnection>(
                                     shared_from_this())](const ErrorCode& error) {
                                  if (self->closed()) return;
                                  if (error) return self->Close();
                                  self->Take();
                                });
  }

  void Take() {
    ErrorCode error;
    std::vector<char>& scratch = loop_.scratch();
    const size_t count = stream_.socket().read_some(internal::asio::buffer(scratch), error);
    if (error) {
      if (!rest_.empty()) handler_(rest_);
      return Close();
    }
    MarkUsed();
    std::string_view bytes(scratch.data(), count);
    for (size_t end; (end = bytes.find('\n')) != std::string_view::npos;) {
      rest_.append(bytes.substr(0, end));
      handler_(rest_);
      rest_.clear();
      bytes.remove_prefix(end + 1);
    }
    rest_.append(bytes);
    if (rest_.size() > config_.line_bytes_max) return Close();
    Read();
  }

  const LineServer::Config& config_;
  const LineServer::Handler& handler_;
  std::string rest_;
};

}  // namespace

struct DatagramServer::State {
  internal::asio::io_context context{1};
  udp::socket socket{context};
  udp::endpoint peer;
  std::vector<char> buffer = std::vector<char>(kDatagramBytes);
  Handler handler;
  std::thread thread;

  void Receive() {
    socket.async_receive_from(internal::asio::buffer(buffer), peer,
                              [this](const ErrorCode& error, size_t count) {
                                if (!socket.is_open()) return;
                                if (!error) handler({buffer.data(), count});
                                Receive();
                              });
  }
};

DatagramServer::DatagramServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

DatagramServer::~DatagramServer() { Stop(); }

base::Result<std::unique_ptr<DatagramServer>> DatagramServer::Bind(
    const std::string& listen_address) {
  auto state = std::make_unique<State>();
  ASSIGN_OR_RETURN(const auto endpoints,
                   internal::ResolveListenAddress(state->context, listen_address));
  ErrorCode error = internal::asio::error::address_family_not_supported;
  for (const internal::Tcp::endpoint& endpoint : endpoints) {
    error = Open(state->socket, endpoint);
    if (!error) return std::unique_ptr<DatagramServer>(new DatagramServer(std::move(state)));
  }
  return internal::ListenFailure(listen_address, error);
}

void DatagramServer::Serve(Handler handler) {
  state_->handler = std::move(handler);
  state_->thread = std::thread([state = state_.get()] {
    state->Receive();
    state->context.run();
  });
}

uint16_t DatagramServer::port() const {
  ErrorCode ignored;
  return state_->socket.local_endpoint(ignored).port();
}

void DatagramServer::Stop() {
  if (!state_->thread.joinable()) return;
  internal::asio::post(state_->context, [state = state_.get()] {
    ErrorCode ignored;
    state->socket.close(ignored);
    state->context.stop();
  });
  state_->thread.join();
}

struct LineServer::State {
  Config config;
  Handler handler;
  std::unique_ptr<internal::SocketServer> sockets;
};

LineServer::LineServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

LineServer::~LineServer() { Stop(); }

base::Result<std::unique_ptr<LineServer>> LineServer::Bind(const Config& config) {
  auto state = std::make_unique<State>();
  state->config = config;
  ASSIGN_OR_RETURN(state->sockets,
                   internal::SocketServer::Bind({.listen_address = config.listen_address,
                                                 .connections_max = config.connections_max}));
  return std::unique_ptr<LineServer>(new LineServer(std::move(state)));
}

void LineServer::Serve(Handler handler) {
  state_->handler = std::move(handler);
  state_->sockets->Serve([state = state_.get()](internal::Loop& loop,
                                                internal::Tcp::socket socket) {
    return std::make_shared<LineConnection>(loop, std::move(socket), state->config, state->handler);
  });
}

uint16_t LineServer::port() const { return state_->sockets->port(); }

void LineServer::Stop() { state_->sockets->Stop(std::chrono::milliseconds(0)); }

}  // namespace narthex::net
