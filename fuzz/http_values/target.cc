// The small texts in requests: escapes, forms, media types, credentials, base64, addresses.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/grpc.h"
#include "net/internal/url_parts.h"
#include "net/password.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CHECK(net::PercentDecode(net::PercentEncode(text)).value() == text);
  CHECK(net::DecodeGrpcMessage(net::EncodeGrpcMessage(text)) == text);
  CHECK(net::DecodeBase64(net::EncodeBase64(text)) == text);
  (void)net::PercentDecode(text, /*plus_is_blank=*/true);
  (void)net::DecodeGrpcMessage(text);
  (void)net::DecodeBase64(text);
  if (const auto params = net::Params::Parse(text)) {
    for (const auto& [name, value] : params->items()) CHECK(params->Has(name));
  }
  (void)net::MediaType(text);
  (void)net::MediaTypeParameter(text, "charset");
  (void)net::ParseBasicAuthorization(text);
  const auto url = net::internal::UrlParts::Of(text);
  (void)net::internal::IsExcepted(text, url);
  (void)net::internal::IsLoopback(url.host);
  net::Headers headers;
  headers.Set("Retry-After", text);
  CHECK(net::RetryAfter(headers) <= std::chrono::hours(1));
  return 0;
}
