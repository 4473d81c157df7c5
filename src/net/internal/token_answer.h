#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "base/result.h"
#include "net/http_client.h"

namespace narthex::net::internal {

// What a server gives to who asks for a token. A value.
struct Token {
  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
  std::string type = {};  // "Bearer" where the server has it in small letters, or says nothing.
  std::string text = {};
  int64_t lifetime_ns = kForever;
};

// Errors: kUnauthenticated for an answer without a token, or with one that no header can carry;
// kInvalidArgument for no JSON. Source: RFC 6749, 5.1.
base::Result<Token> ParseTokenAnswer(const HttpClientResponse& response);

}  // namespace narthex::net::internal
