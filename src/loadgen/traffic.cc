#include "loadgen/traffic.h"

#include <fmt/format.h>

#include "base/check.h"

namespace narthex::loadgen {
namespace {

constexpr double kInvalidOrders = 0.03;
constexpr double kNsPerSecond = 1e9;

}  // namespace

std::vector<RouteSpec> ShopRoutes() {
  return {{"GET", "/api/users", 50, RouteSpec::Body::kNone},
          {"POST", "/api/orders", 30, RouteSpec::Body::kOrder},
          {"GET", "/health", 15, RouteSpec::Body::kNone},
          {"GET", "/api/slow", 5, RouteSpec::Body::kNone}};
}

TrafficPlan::TrafficPlan(TrafficConfig config) : config_(std::move(config)), random_(config_.seed) {
  CHECK(!config_.routes.empty() && config_.rate > 0);
  for (const RouteSpec& route : config_.routes) {
    CHECK(route.weight > 0);
    weight_total_ += route.weight;
  }
}

PlannedRequest TrafficPlan::Next() {
  const double gap =
      config_.arrival == TrafficConfig::Arrival::kPoisson ? random_.NextExponential() : 1;
  at_s_ += gap / config_.rate;
  PlannedRequest request;
  request.at_ns = static_cast<int64_t>(at_s_ * kNsPerSecond);
  request.route = PickRoute();
  if (config_.routes[request.route].body == RouteSpec::Body::kOrder) {
    request.body = OrderBody(random_);
  }
  return request;
}

size_t TrafficPlan::PickRoute() {
  double left = random_.NextDouble() * weight_total_;
  for (size_t i = 0; i + 1 < config_.routes.size(); ++i) {
    left -= config_.routes[i].weight;
    if (left < 0) return i;
  }
  return config_.routes.size() - 1;
}

std::string OrderBody(base::Random& random) {
  const uint64_t product = 1 + random.Below(200);
  const uint64_t quantity = 1 + random.Below(5);
  const double price = static_cast<double>(100 + random.Below(9900)) / 100;
  if (random.NextDouble() >= kInvalidOrders) {
    return fmt::format(R"({{"product_id":"sku-{}","quantity":{},"price":{:.2f}}})", product,
                       quantity, price);
  }
  switch (random.Below(4)) {
    case 0:
      return fmt::format(R"({{"product_id":"sku-{}","quantity":)", product);
    case 1:
      return fmt::format(R"({{"product_id":"sku-{}","quantity":-{},"price":{:.2f}}})", product,
                         quantity, price);
    case 2:
      return fmt::format(R"({{"quantity":{},"price":{:.2f}}})", quantity, price);
    default:
      return fmt::format(R"({{"product_id":{},"quantity":"{}","price":null}})", product, quantity);
  }
}

}  // namespace narthex::loadgen
