#include "net/request_body.h"

#include <algorithm>

#include "compress/compress.h"

namespace narthex::net {

base::Result<std::string> DecodeBody(HttpRequest& request, const config::HttpServerConfig& config) {
  const std::string_view compression = request.headers.Get("Content-Encoding");
  const auto& allowed = config.compression_algorithms;
  if (allowed.has_value() && std::ranges::find(*allowed, compression) == allowed->end()) {
    return base::Fail(base::Code::kInvalidArgument, "unsupported Content-Encoding: {}",
                      compression);
  }
  return compress::Decode(compression, std::move(request.body), config.max_request_body_size);
}

}  // namespace narthex::net
