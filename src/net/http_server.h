#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"

namespace narthex::net {

// The right to answer one request, once, from any thread. Dropped without an answer, it answers
// 500. Move-only.
class Responder {
 public:
  // `send` is called at most once. Servers pass their own; tests pass whatever collects answers.
  explicit Responder(std::move_only_function<void(HttpResponse)> send) : send_(std::move(send)) {}
  Responder(Responder&&) noexcept;
  Responder& operator=(Responder&&) noexcept;
  ~Responder();

  // REQUIRES: not sent before.
  void Send(HttpResponse response);

 private:
  void Drop();

  std::move_only_function<void(HttpResponse)> send_;
};

// Called on a server thread and must not block: what computes or does I/O goes to RunWatched or
// RunBlocking, what waits to RunAfter.
using HttpHandler = std::function<void(HttpRequest, Responder)>;

// An HTTP/1.1 server with limits against slow, greedy and broken peers. A connection waiting for
// its next request holds no buffer. Thread-safe.
class HttpServer {
 public:
  struct Config {
    // "127.0.0.1:0" (port chosen by the system), ":9090" (every address), "[::1]:9090".
    // Or "unix:/path": the file goes with the server, and one that a process left behind is
    // replaced. Or "unix:@name", an abstract socket.
    std::string listen_address;
    size_t threads = 1;
    size_t workers = 2;  // Threads behind RunBlocking, started when first needed.
    // Over this many, the connection that has been waiting for a request longest is closed.
    size_t connections_max = 512;
    size_t header_bytes_max = 64 << 10;  // Over it: 431.
    size_t body_bytes_max = 32 << 20;    // Over it: 413.
    // The whole header is due this long after its first byte; a new connection's first byte too.
    std::chrono::milliseconds header_timeout{10'000};
    // After this long a body, and a reader of our answer, must keep up 1 KiB/s on average.
    std::chrono::milliseconds transfer_grace{10'000};
    std::chrono::milliseconds idle_timeout{300'000};
    // For a whole request, and for a whole answer; 0: as long as it keeps up.
    std::chrono::milliseconds read_timeout{0}, write_timeout{0};
    bool keep_alives = true;  // A connection serves more than one request.
    // On every answer, but where the handler has set the same.
    std::vector<std::pair<std::string, std::string>> response_headers;
    // gzip for answers over 1 KiB to those who accept it.
    bool compress_responses = true;
    std::shared_ptr<TlsServer> tls;  // Null: in the clear.
  };

  // Takes the address, without serving yet. Errors say what to do about a port in use.
  static base::Result<std::unique_ptr<HttpServer>> Bind(Config config);
  // Bind and Serve, for handlers that do not need the server.
  static base::Result<std::unique_ptr<HttpServer>> Start(Config config, HttpHandler handler);
  ~HttpServer();

  // Begins to accept. REQUIRES: called once.
  void Serve(HttpHandler handler);
  uint16_t port() const;

  // Calls `function` on a server thread; waiting costs no thread. Dropped uncalled by Stop.
  void RunAfter(std::chrono::milliseconds delay, std::move_only_function<void()> function);
  // Calls `function` on a worker thread. Waiting functions queue, without a bound of their own: a
  // connection has one request in flight, so connections_max bounds them.
  void RunBlocking(std::move_only_function<void()> function);
  // For what is often too short to be worth a change of threads: calls `function` at once on the
  // calling thread, true; where it takes longer than a few milliseconds another thread serves
  // meanwhile. False, and not called, on other threads than the server's, and while an earlier
  // function takes its time: then some other thread has to call it.
  bool RunWatched(std::move_only_function<void()>& function);

  // Accepts no more, lets requests in flight finish for up to `drain`, then closes everything.
  // Works twice. REQUIRES: not called on a server or worker thread.
  void Stop(std::chrono::milliseconds drain);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// True where an Accept-Encoding header allows gzip.
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace narthex::net
