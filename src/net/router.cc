#include "net/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace narthex::net {
namespace {

bool MatchesPath(std::string_view pattern, std::string_view path) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return path == pattern;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  if (after.empty()) return path.starts_with(before);
  if (path.size() <= before.size() + after.size()) return false;
  if (!path.starts_with(before) || !path.ends_with(after)) return false;
  return StarOf(pattern, path).find('/') == std::string_view::npos;
}

bool MatchesMethod(std::string_view methods, std::string_view method) {
  if (methods == "*") return true;
  while (!methods.empty()) {
    const size_t end = std::min(methods.find(','), methods.size());
    const std::string_view one = methods.substr(0, end);
    if (one == method || (one == "GET" && method == "HEAD")) return true;
    methods.remove_prefix(std::min(end + 1, methods.size()));
  }
  return false;
}

}  // namespace

std::string_view StarOf(std::string_view pattern, std::string_view path) {
  const size_t star = pattern.find('*');
  CHECK(star != std::string_view::npos && path.size() + 1 >= pattern.size());
  return path.substr(star, path.size() + 1 - pattern.size());
}

void Router::Handle(HttpRequest request, Responder responder) const {
  std::string allowed;
  for (const Route& route : routes_) {
    if (!MatchesPath(route.pattern, request.path)) continue;
    if (MatchesMethod(route.methods, request.method)) {
      return route.handler(std::move(request), std::move(responder));
    }
    if (!allowed.empty()) allowed += ", ";
    for (const char c : route.methods) allowed += c == ',' ? std::string(", ") : std::string(1, c);
  }
  if (allowed.empty()) return responder.Send(HttpResponse::Text(404, "404 page not found\n"));
  HttpResponse response = HttpResponse::Text(405, "Method Not Allowed\n");
  response.headers.Add("Allow", allowed);
  responder.Send(std::move(response));
}

HttpHandler Router::handler() const {
  return [this](HttpRequest request, Responder responder) {
    Handle(std::move(request), std::move(responder));
  };
}

}  // namespace narthex::net
