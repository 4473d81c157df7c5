#include "pipeline/admission.h"

#include <memory>

namespace narthex::pipeline {

base::Result<otlp::ClientPointer> Admit(
    const AuthExtension* auth, bool with_metadata,
    const std::vector<std::pair<std::string, std::string>>& headers, std::string_view peer) {
  auto client = std::make_shared<otlp::ClientInfo>();
  client->address = otlp::AddressOf(peer);
  if (auth != nullptr) {
    HeaderList list(headers);
    ASSIGN_OR_RETURN(client->auth, auth->Authenticate([&](std::string_view name) {
      const std::string* value = list.Find(name);
      return value != nullptr ? *value : std::string();
    }));
  }
  if (with_metadata) {
    for (const auto& [name, value] : headers) client->AddMetadata(name, value);
  }
  return client;
}

}  // namespace narthex::pipeline
