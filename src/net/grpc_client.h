#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "net/grpc.h"
#include "net/http_client.h"

namespace narthex::net {

struct GrpcCall {
  std::string target;  // "http://127.0.0.1:4317" or of https.
  std::string method;  // "/package.Service/Method"
  std::string message;
  Headers metadata;
  std::chrono::milliseconds timeout{10'000};
  std::string compression;         // "gzip", "snappy" or "zstd"; empty: none.
  int compression_level = 0;       // As compress::Encode's.
  std::shared_ptr<TlsClient> tls;  // As HttpClientRequest's.
  std::string unix_socket;         // As HttpClientRequest's.
  size_t answer_bytes_max = 4 << 20;
};

// Makes one unary call over `client`'s HTTP/2; `done` is called once on the client's thread and
// must not block. Transport errors keep HttpClient's codes; what the server says keeps its own.
void CallGrpc(HttpClient& client, GrpcCall call, std::function<void(GrpcAnswer)> done);

}  // namespace narthex::net
