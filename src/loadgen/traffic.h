#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"

namespace narthex::loadgen {

// What one kind of request looks like and how often it occurs.
struct RouteSpec {
  enum class Body { kNone, kOrder };
  std::string method;
  std::string endpoint;  // The path.
  double weight = 1;
  Body body = Body::kNone;
};

// The demo's four endpoints: users 50, orders 30, health 15, slow 5.
std::vector<RouteSpec> ShopRoutes();

struct TrafficConfig {
  std::vector<RouteSpec> routes = ShopRoutes();
  double rate = 50;  // Requests per second, all routes together.
  enum class Arrival { kPoisson, kEven } arrival = Arrival::kPoisson;
  uint64_t seed = 1;
};

struct PlannedRequest {
  int64_t at_ns = 0;  // After the start.
  size_t route = 0;   // Index into the routes.
  std::string body;
};

// The endless sequence of requests that a seed stands for: same seed, same requests, to the byte.
// It knows nothing of what the target does with them: an open model. One thread at a time.
class TrafficPlan {
 public:
  // REQUIRES: at least one route, positive weights and rate.
  explicit TrafficPlan(TrafficConfig config);
  PlannedRequest Next();

 private:
  size_t PickRoute();

  const TrafficConfig config_;
  double weight_total_ = 0;
  base::Random random_;
  double at_s_ = 0;
};

// The body of an order: valid for the most part, refused by a correct server otherwise (3 %).
std::string OrderBody(base::Random& random);

}  // namespace narthex::loadgen
