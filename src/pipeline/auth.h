#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "otlp/client_info.h"
#include "pipeline/factory.h"
#include "pipeline/header_list.h"

namespace narthex::pipeline {

// An extension that knows who may send to us, or who we are to others. Thread-safe.
class AuthExtension : public Extension {
 public:
  // The value of a request's header of that name, empty when absent.
  using HeaderOf = std::function<std::string(std::string_view name)>;

  // What is known of a sender, by name: `auth.<name>` to `from_context`.
  using Identity = std::vector<std::pair<std::string, std::string>>;

  // Of a request to us. Errors: kUnauthenticated; kFailedPrecondition where the extension is for
  // clients only.
  virtual base::Result<Identity> Authenticate(const HeaderOf& header_of) const = 0;
  // Makes `headers` those that a request of ours carries. `client`: who sent the data that goes
  // out with it; may be null. Errors: kFailedPrecondition where the extension is for servers only;
  // those of reading a file.
  virtual base::Status SetHeaders(HeaderList& headers, const otlp::ClientInfo* client) const = 0;
};

// The authenticator of that id, under `key`; null where there is none, which is reported.
const AuthExtension* FindAuth(config::MapReader& reader, const CreateContext& context,
                              std::string_view key, const std::string& id);
// Reads `auth: {authenticator: id}`; null without it. What is wrong is reported.
const AuthExtension* ReadAuth(config::MapReader& reader, const CreateContext& context);

// Whether two texts are equal, in a time that does not tell where they differ.
bool EqualsSecretly(std::string_view a, std::string_view b);

}  // namespace narthex::pipeline
