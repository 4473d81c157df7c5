#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace narthex::net {

// Receives datagrams on UDP, on a thread of its own. Thread-safe.
class DatagramServer {
 public:
  // Called on the server's thread, one datagram at a time; up to 64 KiB, valid for the call.
  using Handler = std::function<void(std::string_view bytes)>;

  // "127.0.0.1:8125", ":8125". Errors as HttpServer::Bind's.
  static base::Result<std::unique_ptr<DatagramServer>> Bind(const std::string& listen_address);
  ~DatagramServer();

  void Serve(Handler handler);  // REQUIRES: called once.
  uint16_t port() const;
  // No handler runs afterwards. Works twice, or without Serve.
  void Stop();

 private:
  struct State;
  explicit DatagramServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Receives lines over TCP: what comes before each line feed, and before the end. Thread-safe.
class LineServer {
 public:
  struct Config {
    std::string listen_address;
    size_t connections_max = 512;
    size_t line_bytes_max = 64 << 10;  // A longer one ends its connection.
    std::chrono::milliseconds idle_timeout{300'000};
  };
  using Handler = std::function<void(std::string_view line)>;

  static base::Result<std::unique_ptr<LineServer>> Bind(const Config& config);
  ~LineServer();

  void Serve(Handler handler);  // REQUIRES: called once.
  uint16_t port() const;
  void Stop();

 private:
  struct State;
  explicit LineServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace narthex::net
