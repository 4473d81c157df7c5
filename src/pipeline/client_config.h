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
  int compression_level = 0;         // 0: the codec's fastest.
  config::TlsClientConfig tls;
  const AuthExtension* auth = nullptr;

  // Sets `headers`, as `auth` changes them, in anything with Set(name, value). `client`: whose data
  // it is; may be null. Error: the authenticator's, which may be gone the next time: a token's file
  // may be back in a moment.
  template <class Headers>
  base::Status SetHeaders(Headers& out, const otlp::ClientInfo* client = nullptr) const {
    if (auth == nullptr) {
      for (const auto& [name, value] : headers) out.Set(name, value);
      return {};
    }
    HeaderList list(headers);
    RETURN_IF_ERROR(auth->SetHeaders(list, client));
    for (const auto& [name, value] : list.fields()) out.Set(name, value);
    return {};
  }
};

// Reads `endpoint`, `headers`, `compression` and `tls`. `compressions`: the codecs that the
// exporter can do. Keys that only tune the connection are accepted and said to have no effect.
void ReadClientConfig(config::MapReader& reader, const CreateContext& context,
                      const std::vector<std::string_view>& compressions, ClientConfig& config);

}  // namespace narthex::pipeline
