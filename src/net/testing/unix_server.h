#pragma once

#include <string>
#include <thread>

#include "base/mutex.h"

namespace narthex::net {

// An HTTP server on a Unix socket for tests: it gives every request the same answer and closes.
// Thread-safe.
class UnixServer {
 public:
  // `answer`: the whole of it, status line and headers included.
  UnixServer(std::string path, std::string answer);
  ~UnixServer();

  // The head of the last request.
  std::string request();

 private:
  void Serve();

  const std::string path_;
  const std::string answer_;
  int listener_ = -1;
  base::Mutex mutex_;
  std::string request_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace narthex::net
