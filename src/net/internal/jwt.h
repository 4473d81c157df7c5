#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/oauth2_client.h"

namespace narthex::net::internal {

// Who asserts what, and when. Views.
struct Assertion {
  std::string_view client_id;
  std::string_view token_url;
  std::string_view scopes;  // With blanks between; empty: no claim.
  int64_t now_ns = 0;       // Since the Unix epoch. It is good for half an hour.
};

// An assertion as a signed JSON Web Token. `key`: in PEM, whatever `config` says of it. Errors:
// kInvalidArgument for a key that is no RSA key, or has a passphrase.
// Source: RFC 7515; RFC 7518, 3.3; RFC 7519; RFC 7523, 3.
base::Result<std::string> SignAssertion(const config::JwtBearer& config, std::string_view key,
                                        const Assertion& assertion);

}  // namespace narthex::net::internal
