#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/factory.h"

namespace narthex::pipeline {

// An extension that knows who may send to us, or who we are to others. Thread-safe.
class AuthExtension : public Extension {
 public:
  // The value of a request's header of that name, empty when absent.
  using HeaderOf = std::function<std::string(std::string_view name)>;

  // Of a request to us. Error: kUnauthenticated.
  virtual base::Status Authenticate(const HeaderOf& header_of) const = 0;
  // What our own requests carry: a header's name and value. Errors: kFailedPrecondition where the
  // extension is for servers only; those of reading a token's file.
  virtual base::Result<std::pair<std::string, std::string>> ClientHeader() const = 0;
};

// Reads `auth: {authenticator: id}`; null without it. What is wrong is reported.
const AuthExtension* ReadAuth(config::MapReader& reader, const CreateContext& context);

// Whether two texts are equal, in a time that does not tell where they differ.
bool EqualsSecretly(std::string_view a, std::string_view b);

}  // namespace narthex::pipeline
