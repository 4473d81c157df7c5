#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/tls.h"
#include "pipeline/auth.h"

namespace narthex::pipeline {

// What exporters that talk over HTTP or gRPC have in common in their configuration. A value.
struct ClientConfig {
  std::string endpoint;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string compression = "gzip";  // Empty for none.
  config::TlsClientConfig tls;
  const AuthExtension* auth = nullptr;

  // Sets `headers`, and what `auth` adds, in anything with Set(name, value). Error: the
  // authenticator's, which may be gone the next time: a token's file may be back in a moment.
  template <class Headers>
  base::Status SetHeaders(Headers& out) const {
    for (const auto& [name, value] : headers) out.Set(name, value);
    if (auth == nullptr) return {};
    ASSIGN_OR_RETURN(const auto header, auth->ClientHeader());
    out.Set(header.first, header.second);
    return {};
  }
};

// Reads `endpoint`, `headers`, `compression` and `tls`. `compressions`: the codecs that the
// exporter can do. Keys that only tune the connection are accepted and said to have no effect.
void ReadClientConfig(config::MapReader& reader, const CreateContext& context,
                      const std::vector<std::string_view>& compressions, ClientConfig& config);

}  // namespace narthex::pipeline
