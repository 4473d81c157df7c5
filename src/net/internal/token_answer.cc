#include "net/internal/token_answer.h"

#include "base/ascii.h"
#include "json/reader.h"

namespace narthex::net::internal {

using base::Code;
using base::Fail;

base::Result<Token> ParseTokenAnswer(const HttpClientResponse& response) {
  if (response.status < 200 || response.status > 299) {
    return Fail(Code::kUnauthenticated, "oauth2: cannot fetch token: {} {}", response.status,
                response.body.substr(0, 200));
  }
  ASSIGN_OR_RETURN(const json::Document document, json::Document::Parse(response.body));
  const json::Element root = document.root();
  Token token;
  token.type = root.Get("token_type").String().value_or("");
  token.text = root.Get("access_token").String().value_or("");
  if (token.text.empty()) {
    return Fail(Code::kUnauthenticated, "oauth2: server response missing access_token");
  }
  if (base::HasControlCharacters(token.type + token.text)) {
    return Fail(Code::kUnauthenticated, "oauth2: the token has control characters");
  }
  const double seconds = root.Get("expires_in").Double().value_or(0);
  if (seconds > 0 && seconds < 1e9) {
    token.lifetime_ns = static_cast<int64_t>(seconds * 1e9);
  }
  if (token.type.empty() || token.type == "bearer") token.type = "Bearer";
  return token;
}

}  // namespace narthex::net::internal
