#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/grpc.h"
#include "net/tls.h"

namespace narthex::net {

// The right to answer one call, once, from any thread. Dropped without an answer, it fails the call
// with INTERNAL. Move-only.
class GrpcResponder {
 public:
  // `send` is called at most once. The server passes its own; tests what collects answers.
  explicit GrpcResponder(std::move_only_function<void(GrpcAnswer)> send) : send_(std::move(send)) {}
  GrpcResponder(GrpcResponder&&) noexcept;
  GrpcResponder& operator=(GrpcResponder&&) noexcept;
  ~GrpcResponder();

  // REQUIRES (both): not answered before.
  void Send(std::string message);
  void Fail(base::Error error, std::string status_details = {});

 private:
  void Answer(GrpcAnswer answer);
  void Drop();

  std::move_only_function<void(GrpcAnswer)> send_;
};

// Called on a server thread and must not block: long work goes to RunBlocking.
using GrpcHandler = std::function<void(GrpcRequest, GrpcResponder)>;

// Unary gRPC over HTTP/2: in the clear with prior knowledge, or under TLS. Requests may be
// compressed (gzip, zstd, deflate, snappy); answers are not. Limits hold against floods of resets,
// control frames, headers and unfinished requests. Thread-safe.
class GrpcServer {
 public:
  struct Config {
    std::string listen_address;  // As HttpServer's.
    // What the handler serves; any other call fails with UNIMPLEMENTED before its body is read.
    std::vector<std::string> methods;
    size_t threads = 1;
    size_t workers = 2;
    size_t connections_max = 512;
    size_t concurrent_streams_max = 100;  // Per connection.
    size_t message_bytes_max = 4 << 20;   // Before and after decompression: RESOURCE_EXHAUSTED.
    size_t header_bytes_max = 16 << 10;   // Per call.
    // Unfinished requests of a connection together hold at most this; more fail with UNAVAILABLE.
    size_t buffered_bytes_max = 32 << 20;
    // A peer that owes us bytes (its preface, a request's rest, reading our answer) and moves none.
    std::chrono::milliseconds stall_timeout{20'000};
    std::chrono::milliseconds idle_timeout{1'800'000};  // No calls at all.
    // A connection of this age gets no further calls, and ends after `age_grace` at the latest; 0:
    // never. Ages differ by up to a tenth, so that peers do not come back together.
    std::chrono::milliseconds age_max{0}, age_grace{0};
    // A silent peer is asked whether it is there, and given up when it does not say so; 0: never.
    std::chrono::milliseconds ping_interval{7'200'000}, ping_timeout{20'000};
    // A peer that asks us more often than this three times is sent away; 0: it is not. Without
    // calls in flight it is two hours, unless pings_without_streams.
    std::chrono::milliseconds ping_interval_min{0};
    bool pings_without_streams = false;
    std::shared_ptr<TlsServer> tls;  // Null: in the clear.
  };

  // Takes the address, without serving yet. Errors say what to do about a port in use.
  static base::Result<std::unique_ptr<GrpcServer>> Bind(Config config);
  static base::Result<std::unique_ptr<GrpcServer>> Start(Config config, GrpcHandler handler);
  ~GrpcServer();

  void Serve(GrpcHandler handler);
  uint16_t port() const;
  // As HttpServer's.
  void RunBlocking(std::move_only_function<void()> function);
  // Sends GOAWAY, lets calls in flight finish for up to `drain`, then closes. Works twice.
  // REQUIRES: not called on a server or worker thread.
  void Stop(std::chrono::milliseconds drain);

 private:
  struct State;
  explicit GrpcServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace narthex::net
