#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace narthex::net {

// A blocking TCP client for tests that need to be an odd peer: it sends what it is told and reads
// until a text appears, the peer closes, or ten seconds pass. One thread at a time.
class RawSocket {
 public:
  explicit RawSocket(uint16_t port);
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  // False when the peer has closed.
  bool Send(std::string_view bytes);
  // Everything received so far, once it contains `text` (or can no longer).
  std::string ReadUntil(std::string_view text);
  // Everything until the peer closes or resets. Empties what was received.
  std::string ReadAll();
  bool closed() const { return closed_; }

 private:
  bool ReadSome();

  int descriptor_ = -1;
  bool closed_ = false;
  std::string received_;
};

}  // namespace narthex::net
