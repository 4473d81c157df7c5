// Whatever a token's server answers is an error or a token that a header can carry.

#include <cstdint>
#include <string>

#include "base/ascii.h"
#include "base/check.h"
#include "net/internal/token_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  net::HttpClientResponse response;
  response.status = size % 5 == 0 ? 401 : 200;
  response.body.assign(reinterpret_cast<const char*>(data), size);
  const auto token = net::internal::ParseTokenAnswer(response);
  if (!token.has_value()) {
    CHECK(!token.error().message.empty());
    return 0;
  }
  CHECK(response.status == 200);
  CHECK(!token->type.empty() && !token->text.empty());
  CHECK(!base::HasControlCharacters(token->type + token->text));
  CHECK(token->lifetime_ns >= 0);
  return 0;
}
