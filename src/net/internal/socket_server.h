#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "net/internal/duty.h"
#include "net/internal/stream.h"
#include "net/internal/unix_listener.h"
#include "net/tls.h"

namespace narthex::net::internal {

using SteadyTime = std::chrono::steady_clock::time_point;

class Loop;

// Lets other threads reach a loop for as long as it runs. Thread-safe.
class LoopGate {
 public:
  explicit LoopGate(Loop* loop) : loop_(loop) {}
  // Runs `function` on the loop's thread, at once when already there. Dropped after Close.
  void Run(std::move_only_function<void()> function);
  void Close();

 private:
  base::Mutex mutex_;
  Loop* loop_ GUARDED_BY(mutex_);
};

// An accepted socket and its protocol. Everything happens on its loop's thread, which owns it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Loop& loop, Tcp::socket socket);
  virtual ~Connection() = default;

  virtual void Start() = 0;
  // Finish the requests in flight, take no further ones, then Close.
  virtual void Drain() = 0;
  // No request in flight: closing it now loses no work.
  virtual bool idle() const = 0;
  // Its deadline has passed.
  virtual void Expire() { Close(); }

  void Close();
  bool closed() const { return closed_; }
  // The loop closes the connection within a sweep period after this.
  SteadyTime deadline() const { return deadline_; }

 protected:
  void SetDeadline(SteadyTime deadline) { deadline_ = deadline; }
  void SetDeadlineIn(std::chrono::milliseconds delay);
  // Makes it the last to be closed when there are too many.
  void MarkUsed();

  Loop& loop_;
  Stream stream_;
  const std::string peer_;

 private:
  friend class Loop;
  // Start, after TLS's handshake where there is one.
  void Begin(TlsServer* tls, std::string_view protocol);
  void HandshakeDone(const boost::system::error_code& error);

  bool handshaking_ = false;
  bool closed_ = false;
  SteadyTime deadline_ = SteadyTime::max();
  std::list<std::shared_ptr<Connection>>::iterator place_;
};

// Sockets and timers, and the thread that serves them: one at a time, but see Duty.
class Loop {
 public:
  // `live` counts the connections of all loops; `sweep_period` is how exact deadlines are.
  Loop(std::atomic<size_t>& live, std::chrono::milliseconds sweep_period);

  asio::io_context& context() { return context_; }
  const std::shared_ptr<LoopGate>& gate() const { return gate_; }
  bool OnThread() { return duty_.OnDuty(); }
  void StartThread();
  // Closes the gate and every connection, then joins the threads.
  void StopThread();
  // Calls `function` at once, in which only LoopGate::Run may touch the loop: true. Another thread
  // serves on when it takes long. False, and not called, on other threads and while no other thread
  // is free for that.
  bool RunWatched(std::move_only_function<void()>& function);

  // On the loop's thread:
  // `tls`: null for none; `protocol`: "http/1.1" or "h2".
  void Adopt(std::shared_ptr<Connection> connection, TlsServer* tls, std::string_view protocol);
  bool CloseOldestIdle();
  void Drain();
  void RunAfter(std::chrono::milliseconds delay, std::move_only_function<void()> function);
  // Scratch for reading; its content is gone at the next read of any connection.
  std::vector<char>& scratch() { return scratch_; }

 private:
  friend class Connection;
  void Serve(size_t slot);
  void Sweep();

  std::atomic<size_t>& live_;
  const std::chrono::milliseconds sweep_period_;
  asio::io_context context_{2};
  const std::shared_ptr<LoopGate> gate_;
  asio::steady_timer sweep_timer_;
  bool sweeping_ = false;
  bool draining_ = false;
  std::vector<char> scratch_;
  std::list<std::shared_ptr<Connection>> connections_;  // Least recently used first.
  Duty duty_;
  std::thread thread_;
  std::thread watcher_;  // Started by the first RunWatched.
};

// "127.0.0.1:0", ":9090" (every address), "[::1]:9090". Error: kInvalidArgument.
base::Result<std::vector<Tcp::endpoint>> ResolveListenAddress(asio::io_context& context,
                                                              std::string_view text);
// Why nobody can listen there, and what to do about it.
std::unexpected<base::Error> ListenFailure(std::string_view address,
                                           const boost::system::error_code& error);

// Accepts connections and spreads them over loops: what the HTTP and the gRPC server share.
class SocketServer {
 public:
  struct Config {
    std::string listen_address;  // Or "unix:/path".
    size_t threads = 1;
    size_t workers = 2;
    size_t connections_max = 512;
    std::chrono::milliseconds sweep_period{1000};
    std::shared_ptr<TlsServer> tls;     // Null: in the clear.
    std::string protocol = "http/1.1";  // Spoken under TLS.
  };
  using Factory = std::function<std::shared_ptr<Connection>(Loop&, Tcp::socket)>;

  static base::Result<std::unique_ptr<SocketServer>> Bind(Config config);
  ~SocketServer() { Stop(std::chrono::milliseconds(0)); }

  void Serve(Factory factory);
  uint16_t port() const { return port_; }  // 0 of a Unix socket.
  void RunAfter(std::chrono::milliseconds delay, std::move_only_function<void()> function);
  void RunBlocking(std::move_only_function<void()> function) { workers_.Run(std::move(function)); }
  bool RunWatched(std::move_only_function<void()>& function);
  void Stop(std::chrono::milliseconds drain);

 private:
  explicit SocketServer(Config config);
  void Accept();
  void Place(Loop& loop, Tcp::socket socket);

  const Config config_;
  Factory factory_;
  std::atomic<size_t> live_{0};
  std::vector<std::unique_ptr<Loop>> loops_;
  Tcp::acceptor acceptor_;  // On the first loop.
  std::optional<UnixListener> unix_listener_;
  uint16_t port_ = 0;
  size_t next_loop_ = 0;
  base::ThreadPool workers_;
  base::Mutex stop_mutex_;
  bool stopped_ GUARDED_BY(stop_mutex_) = false;
};

}  // namespace narthex::net::internal
