#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "net/http.h"

namespace narthex::demo {

// An order as a client sends it: {"product_id":"sku-1","quantity":2,"price":9.99}.
struct Order {
  std::string product_id;
  int64_t quantity = 0;
  double price = 0;
  double value() const { return static_cast<double>(quantity) * price; }
};

// Error: kInvalidArgument, saying which field is wrong.
base::Result<Order> ParseOrder(std::string_view json);

// What the shop does with a request: how long it takes and how it ends.
struct ShopOutcome {
  std::string_view method;    // Of a fixed set, so that labels stay few: "_OTHER" for odd ones.
  std::string_view endpoint;  // The path of a known endpoint, otherwise "other".
  std::chrono::milliseconds delay{0};
  net::HttpResponse response;
  std::optional<bool> cache_hit;  // Where a cache was asked.
  std::string_view order_status;  // "success", "failed" or "invalid"; empty for no order.
  double order_value = 0;         // Of a successful order.
};

// The endpoints of the shop:
//   GET  /health      at once          always 200
//   GET  /api/users   50–200 ms        95 % 200, else 500; 70 % from the cache, which is faster
//   POST /api/orders  100–300 ms       400 for an invalid order, else 90 % 201 and 10 % 500
//   GET  /api/slow    3–5 s            always 200
// 404 and 405 for everything else.
ShopOutcome DecideOutcome(const net::HttpRequest& request, base::Random& random);

}  // namespace narthex::demo
