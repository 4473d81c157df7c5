#include "demo/shop_rules.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "json/reader.h"

namespace narthex::demo {
namespace {

using net::HttpResponse;

constexpr double kUsersSucceed = 0.95;
constexpr double kOrdersSucceed = 0.90;
constexpr double kCacheHits = 0.70;
constexpr size_t kProductIdBytesMax = 100;
constexpr int64_t kQuantityMax = 1000;
constexpr double kPriceMax = 100'000;

constexpr std::array<std::string_view, 7> kMethods = {"GET",   "POST",    "PUT", "DELETE",
                                                      "PATCH", "OPTIONS", "HEAD"};

std::string_view KnownMethod(std::string_view method) {
  for (const std::string_view known : kMethods) {
    if (method == known) return known;
  }
  return "_OTHER";
}

std::chrono::milliseconds Between(base::Random& random, uint64_t from_ms, uint64_t to_ms) {
  return std::chrono::milliseconds(from_ms + random.Below(to_ms - from_ms));
}

HttpResponse Failure(int status, std::string_view reason) {
  return HttpResponse::Json(status, fmt::format(R"({{"error":"{}"}})", reason));
}

void DecideHealth(const net::HttpRequest&, base::Random&, ShopOutcome& outcome) {
  outcome.response = HttpResponse::Json(200, R"({"status":"ok"})");
}

void DecideUsers(const net::HttpRequest&, base::Random& random, ShopOutcome& outcome) {
  outcome.cache_hit = random.NextDouble() < kCacheHits;
  outcome.delay = *outcome.cache_hit ? Between(random, 50, 120) : Between(random, 100, 200);
  outcome.response =
      random.NextDouble() < kUsersSucceed
          ? HttpResponse::Json(200, R"({"users":[{"id":1,"name":"Ada"},{"id":2,"name":"Grace"}]})")
          : Failure(500, "the database did not answer");
}

void DecideOrders(const net::HttpRequest& request, base::Random& random, ShopOutcome& outcome) {
  outcome.delay = Between(random, 100, 300);
  const base::Result<Order> order = ParseOrder(request.body);
  if (!order.has_value()) {
    outcome.order_status = "invalid";
    outcome.response = Failure(400, order.error().message);
  } else if (random.NextDouble() < kOrdersSucceed) {
    outcome.order_status = "success";
    outcome.order_value = order->value();
    outcome.response =
        HttpResponse::Json(201, fmt::format(R"({{"order_id":{},"value":{:.2f}}})",
                                            random.Below(1'000'000), order->value()));
  } else {
    outcome.order_status = "failed";
    outcome.response = Failure(500, "the payment was not accepted");
  }
}

void DecideSlow(const net::HttpRequest&, base::Random& random, ShopOutcome& outcome) {
  outcome.delay = Between(random, 3000, 5000);
  outcome.response = HttpResponse::Json(200, R"({"status":"finally"})");
}

struct Endpoint {
  std::string_view method;
  std::string_view path;
  void (*decide)(const net::HttpRequest&, base::Random&, ShopOutcome&);
};
constexpr Endpoint kEndpoints[] = {
    {"GET", "/health", &DecideHealth},
    {"GET", "/api/users", &DecideUsers},
    {"POST", "/api/orders", &DecideOrders},
    {"GET", "/api/slow", &DecideSlow},
};

}  // namespace

base::Result<Order> ParseOrder(std::string_view json) {
  constexpr base::Code kInvalid = base::Code::kInvalidArgument;
  const base::Result<json::Document> document = json::Document::Parse(json);
  if (!document.has_value() || document->root().kind() != json::Kind::kObject) {
    return base::Fail(kInvalid, "the body is not a JSON object");
  }
  const json::Element root = document->root();
  const auto product_id = root.Get("product_id").String();
  if (!product_id.has_value() || product_id->empty() || product_id->size() > kProductIdBytesMax) {
    return base::Fail(kInvalid, "product_id must be a string of 1 to {} bytes", kProductIdBytesMax);
  }
  const auto quantity = root.Get("quantity").Int();
  if (!quantity.has_value() || *quantity < 1 || *quantity > kQuantityMax) {
    return base::Fail(kInvalid, "quantity must be a whole number from 1 to {}", kQuantityMax);
  }
  const auto price = root.Get("price").Double();
  if (!price.has_value() || !(*price > 0) || *price > kPriceMax) {
    return base::Fail(kInvalid, "price must be a number over 0, up to {}", kPriceMax);
  }
  return Order{.product_id = std::string(*product_id), .quantity = *quantity, .price = *price};
}

ShopOutcome DecideOutcome(const net::HttpRequest& request, base::Random& random) {
  ShopOutcome outcome{.method = KnownMethod(request.method), .endpoint = "other"};
  for (const Endpoint& endpoint : kEndpoints) {
    if (request.path != endpoint.path) continue;
    outcome.endpoint = endpoint.path;
    if (request.method != endpoint.method) {
      outcome.response = Failure(405, "method not allowed");
      outcome.response.headers.Add("Allow", endpoint.method);
      return outcome;
    }
    endpoint.decide(request, random, outcome);
    return outcome;
  }
  outcome.response = Failure(404, "not found");
  return outcome;
}

}  // namespace narthex::demo
