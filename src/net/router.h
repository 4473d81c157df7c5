#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"

namespace narthex::net {

// One row of a server's table of routes.
struct Route {
  // "GET" (serves HEAD too), "GET,POST", or "*" for every method.
  std::string methods;
  // "/api/v1/query" matches exactly that path; "/static/*" all below; "/label/*/values" one
  // non-empty segment, still percent-encoded.
  std::string pattern;
  HttpHandler handler;
};

// Finds a request's handler in a list of routes: the first match wins. Answers 404, and 405 with
// the methods that the path knows, as plain text. Immutable, and so thread-safe.
class Router {
 public:
  explicit Router(std::vector<Route> routes) : routes_(std::move(routes)) {}
  void Handle(HttpRequest request, Responder responder) const;
  // Handle as a HttpHandler. The router must outlive it.
  HttpHandler handler() const;

 private:
  std::vector<Route> routes_;
};

// What the star of `pattern` stands for in `path`: "x" for "/label/*/values" and "/label/x/values".
// REQUIRES: the path matched that pattern.
std::string_view StarOf(std::string_view pattern, std::string_view path);

}  // namespace narthex::net
