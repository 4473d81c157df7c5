#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"

namespace narthex::net {

struct HttpClientRequest {
  std::string method = "GET";
  std::string url;  // http or https.
  Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{30'000};  // From Fetch to the last byte.
  size_t response_bytes_max = 64 << 20;       // After decompression.
  bool accept_gzip = true;                    // Asks for gzip and decodes it.
  bool follow_redirects = false;              // Up to 10.
  // HTTP/2: without negotiation over plain TCP, where such a request has a connection of its own.
  bool http2 = false;
  std::shared_ptr<TlsClient> tls;  // For https; null: trusts the system's authorities.
  bool connect_only = false;       // Sends nothing: the response is empty, with status 0.
  std::string proxy_url;           // http, https or socks5; empty: none.
  Headers proxy_headers;           // Sent to the proxy alone, where it is asked to CONNECT.
  std::string unix_socket;  // The path of one, or "@name" of an abstract one, for host and port.
};

struct HttpClientResponse {
  int status = 0;
  Headers headers;  // Trailers too, after the headers.
  std::string body;
  std::string redirect_url;  // Whole, of a redirect that was not followed; else empty.
};

using HttpClientCallback = std::function<void(base::Result<HttpClientResponse>)>;

// Many HTTP requests at once on one thread, over connections that are kept and reused. Takes no
// proxy from the environment. Any status is a response; errors are what kept one from coming:
// kDeadlineExceeded for the time limit, kUnavailable for a peer that cannot be reached or breaks
// off, kResourceExhausted for a response over its limit, kInvalidArgument for a bad URL,
// kCancelled when the client is destroyed first. Thread-safe.
class HttpClient {
 public:
  HttpClient();
  // Waits for callbacks that run; the others get kCancelled.
  ~HttpClient();

  // Calls `done` once, on the client's thread; it must not block.
  void Fetch(HttpClientRequest request, HttpClientCallback done);
  // Has what is left of a response that has been read serve others: for bodies of a megabyte that
  // come again and again. Keeps 16 MiB at most.
  void Recycle(HttpClientResponse response);
  // REQUIRES: not called on the client's thread.
  base::Result<HttpClientResponse> FetchAndWait(HttpClientRequest request);

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace narthex::net
