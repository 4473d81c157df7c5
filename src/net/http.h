#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace narthex::net {

// HTTP messages as values, the same for server and client.

// Header fields in order; names compare without case.
class Headers {
 public:
  void Add(std::string_view name, std::string_view value);
  // Replaces all fields of that name.
  void Set(std::string_view name, std::string_view value);
  // The first of that name; empty when absent.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Parameters of a query string or a form, percent-decoded, in order.
class Params {
 public:
  // "a=1&b=x+y". Error: kInvalidArgument on a bad escape.
  static base::Result<Params> Parse(std::string_view encoded);
  void Add(std::string name, std::string value);
  // The first of that name; empty when absent.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  std::vector<std::string> GetAll(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // As sent, without the query: still percent-encoded.
  std::string query;   // As sent, without the question mark.
  Headers headers;
  std::string body;  // As sent: not decompressed.
  std::string peer;  // "127.0.0.1:51234"
  // Requested when the peer has gone away, or the connection ends otherwise: nobody waits for the
  // answer any more.
  std::stop_token stop;
};

struct HttpResponse {
  int status = 200;
  Headers headers;
  std::string body;

  static HttpResponse Text(int status, std::string body);
  static HttpResponse Json(int status, std::string body);
};

// "%2F" to "/", and "+" to a blank where `plus_is_blank`. Error: kInvalidArgument on a bad escape.
base::Result<std::string> PercentDecode(std::string_view text, bool plus_is_blank = false);
std::string PercentEncode(std::string_view text);
// The media type without parameters, in lower case: "Text/Plain; charset=x" to "text/plain".
std::string MediaType(std::string_view content_type);
// A parameter of a media type, unquoted; empty when absent.
std::string MediaTypeParameter(std::string_view content_type, std::string_view name);
// The value of an Authorization header for basic authentication. Source: RFC 7617.
std::string BasicAuthorization(std::string_view username, std::string_view password);
// The whole seconds of a Retry-After header, at most an hour; 0 when absent or a date.
std::chrono::seconds RetryAfter(const Headers& headers);
std::string_view StatusText(int status);  // "Not Found"

}  // namespace narthex::net
