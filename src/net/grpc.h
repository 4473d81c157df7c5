#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace narthex::net {

// Unary gRPC calls as values, the same for server and client.
// Specification: gRPC over HTTP2 (grpc/doc/PROTOCOL-HTTP2.md).

struct GrpcRequest {
  std::string method;   // "/package.Service/Method"
  std::string message;  // Decompressed.
  Headers metadata;     // Header fields but for those of HTTP/2 itself.
  std::string peer;     // "127.0.0.1:51234"
};

struct GrpcAnswer {
  base::Result<std::string> message;  // The error's code is the gRPC status.
  // With an error: a serialized google.rpc.Status, sent as grpc-status-details-bin; may be empty.
  std::string status_details;
};

// One length-prefixed message: a flag, four bytes of length, the message.
inline constexpr size_t kGrpcPrefixBytes = 5;
std::string GrpcFrame(std::string_view message, bool compressed = false);

// A grpc-message field: UTF-8 with everything but printable ASCII as %XX.
std::string EncodeGrpcMessage(std::string_view text);
// Takes damaged escapes as they are.
std::string DecodeGrpcMessage(std::string_view encoded);

// Fields whose names end in "-bin" are base64, padding optional. Empty for damaged input.
std::string EncodeBase64(std::string_view bytes);
std::string DecodeBase64(std::string_view text);

}  // namespace narthex::net
