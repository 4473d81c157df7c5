#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "api/sources.h"
#include "base/clock.h"
#include "model/matcher.h"
#include "net/http.h"
#include "promql/engine.h"
#include "storage/storage.h"

namespace narthex::api {

// Prometheus's HTTP API v1: everything under /api/v1/ but the routes that take samples in.
// Thread-safe. Source: Prometheus documentation, HTTP API.
class ApiV1 {
 public:
  struct Options {
    const promql::Engine& engine;
    storage::Queryable& storage;
    const base::Clock& clock;
    const storage::ExemplarQueryable* exemplars = nullptr;
    const TargetSource* targets = nullptr;
    const MetadataSource* metadata = nullptr;
    const StatusSource* status = nullptr;
    Admin* admin = nullptr;  // nullptr: the admin endpoints say that they are disabled.
    // Origins that browsers may call from; must compile.
    std::string path_prefix;  // In front of the paths of requests when they were sent.
    std::string cors_origin = ".*";
  };

  explicit ApiV1(Options options);

  // True for paths that Handle answers otherwise than with 404.
  static bool Serves(std::string_view path);
  // Answers a request whose path begins with /api/v1/. Blocks while the query runs; `stop` ends it
  // when the client goes away.
  net::HttpResponse Handle(const net::HttpRequest& request, std::stop_token stop) const;

 private:
  const Options options_;
  std::optional<model::AnchoredRegex> cors_origin_;  // nullopt: any
};

}  // namespace narthex::api
