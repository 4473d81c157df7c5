#include "net/grpc_client.h"

#include <fmt/core.h>

#include <charconv>

#include "base/bytes.h"
#include "compress/compress.h"

namespace narthex::net {
namespace {

// Source: gRPC, http-grpc-status-mapping.md.
base::Code CodeOfHttpStatus(int status) {
  switch (status) {
    case 200:  // The answer was cut off before its trailers: unlike the mapping, worth a retry.
      return base::Code::kUnavailable;
    case 400:
      return base::Code::kInternal;
    case 401:
      return base::Code::kUnauthenticated;
    case 403:
      return base::Code::kPermissionDenied;
    case 404:
      return base::Code::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return base::Code::kUnavailable;
    default:
      return base::Code::kUnknown;
  }
}

base::Result<std::string> ReadMessage(const HttpClientResponse& response, size_t bytes_max) {
  base::ByteReader reader(response.body);
  const uint8_t compressed = reader.ReadByte();
  const std::string_view message = reader.ReadBytes(reader.ReadBigEndian<uint32_t>());
  if (!reader.ok() || !reader.empty()) {
    return base::Fail(base::Code::kInternal, "the answer is not one length-prefixed message");
  }
  if (compressed == 0) return std::string(message);
  return compress::Decode(response.headers.Get("grpc-encoding"), std::string(message), bytes_max);
}

GrpcAnswer ReadAnswer(const HttpClientResponse& response, size_t bytes_max) {
  const std::string_view status = response.headers.Get("grpc-status");
  int code = -1;
  std::from_chars(status.data(), status.data() + status.size(), code);
  if (code == 0) return {ReadMessage(response, bytes_max), {}};
  if (status.empty()) {
    return {base::Fail(CodeOfHttpStatus(response.status), "HTTP status {} without a gRPC status",
                       response.status),
            {}};
  }
  const bool is_known = code >= 1 && code <= static_cast<int>(base::Code::kUnauthenticated);
  return {
      std::unexpected(base::Error{is_known ? static_cast<base::Code>(code) : base::Code::kUnknown,
                                  DecodeGrpcMessage(response.headers.Get("grpc-message"))}),
      DecodeBase64(response.headers.Get("grpc-status-details-bin"))};
}

}  // namespace

void CallGrpc(HttpClient& client, GrpcCall call, std::function<void(GrpcAnswer)> done) {
  HttpClientRequest request;
  request.method = "POST";
  request.url = call.target + call.method;
  request.headers = std::move(call.metadata);
  request.headers.Set("Content-Type", "application/grpc");
  request.headers.Set("TE", "trailers");
  request.headers.Set("grpc-timeout", fmt::format("{}m", call.timeout.count()));
  const bool is_compressed = !call.compression.empty();
  if (is_compressed) request.headers.Set("grpc-encoding", call.compression);
  request.body =
      GrpcFrame(compress::Encode(call.compression, std::move(call.message), call.compression_level),
                is_compressed);
  request.timeout = call.timeout;
  request.response_bytes_max = call.answer_bytes_max + kGrpcPrefixBytes;
  request.accept_gzip = false;
  request.http2 = true;
  request.tls = std::move(call.tls);
  request.unix_socket = std::move(call.unix_socket);
  client.Fetch(std::move(request), [done = std::move(done), bytes_max = call.answer_bytes_max](
                                       base::Result<HttpClientResponse> response) {
    if (!response.has_value()) return done({std::unexpected(std::move(response).error()), {}});
    done(ReadAnswer(*response, bytes_max));
  });
}

}  // namespace narthex::net
