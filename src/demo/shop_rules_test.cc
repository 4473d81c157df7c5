#include "demo/shop_rules.h"

#include <gtest/gtest.h>

#include <map>

namespace narthex::demo {
namespace {

using std::chrono::milliseconds;

constexpr char kGoodOrder[] = R"({"product_id":"sku-1","quantity":2,"price":9.99})";

ShopOutcome Decide(base::Random& random, std::string method, std::string path,
                   std::string body = "") {
  net::HttpRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  return DecideOutcome(request, random);
}

TEST(ShopRules, EndpointsKeepTheirLatenciesAndRates) {
  const struct {
    const char* method;
    const char* path;
    milliseconds from, to;
    std::map<int, double> statuses;
  } kCases[] = {
      {"GET", "/health", milliseconds(0), milliseconds(9), {{200, 1}}},
      {"GET", "/api/users", milliseconds(50), milliseconds(200), {{200, 0.95}, {500, 0.05}}},
      {"POST", "/api/orders", milliseconds(100), milliseconds(300), {{201, 0.9}, {500, 0.1}}},
      {"GET", "/api/slow", milliseconds(3000), milliseconds(5000), {{200, 1}}},
  };
  base::Random random(1);
  constexpr int kCount = 20'000;
  for (const auto& c : kCases) {
    std::map<int, double> seen;
    for (int i = 0; i < kCount; ++i) {
      const ShopOutcome outcome = Decide(random, c.method, c.path, kGoodOrder);
      ASSERT_GE(outcome.delay, c.from) << c.path;
      ASSERT_LE(outcome.delay, c.to) << c.path;
      ASSERT_EQ(outcome.endpoint, c.path);
      seen[outcome.response.status] += 1.0 / kCount;
    }
    ASSERT_EQ(seen.size(), c.statuses.size()) << c.path;
    for (const auto& [status, share] : c.statuses) EXPECT_NEAR(seen[status], share, 0.01) << c.path;
  }
}

TEST(ShopRules, UnknownPathsAndMethodsMakeFewLabels) {
  base::Random random(1);
  EXPECT_EQ(Decide(random, "GET", "/wp-login.php").endpoint, "other");
  EXPECT_EQ(Decide(random, "GET", "/wp-login.php").response.status, 404);
  EXPECT_EQ(Decide(random, "BREW", "/coffee").method, "_OTHER");
  const ShopOutcome wrong = Decide(random, "DELETE", "/api/users");
  EXPECT_EQ(wrong.response.status, 405);
  EXPECT_EQ(wrong.response.headers.Get("Allow"), "GET");
}

TEST(ShopRules, OrdersAreValidated) {
  const struct {
    const char* body;
    const char* complaint;
  } kCases[] = {
      {"", "not a JSON object"},
      {"[]", "not a JSON object"},
      {R"({"product_id":"a","quantity":)", "not a JSON object"},
      {R"({"quantity":1,"price":1})", "product_id"},
      {R"({"product_id":7,"quantity":1,"price":1})", "product_id"},
      {R"({"product_id":"","quantity":1,"price":1})", "product_id"},
      {R"({"product_id":"a","quantity":0,"price":1})", "quantity"},
      {R"({"product_id":"a","quantity":1.5,"price":1})", "quantity"},
      {R"({"product_id":"a","quantity":"1","price":1})", "quantity"},
      {R"({"product_id":"a","quantity":1,"price":-1})", "price"},
      {R"({"product_id":"a","quantity":1})", "price"},
  };
  base::Random random(1);
  for (const auto& c : kCases) {
    const auto order = ParseOrder(c.body);
    ASSERT_FALSE(order.has_value()) << c.body;
    EXPECT_NE(order.error().message.find(c.complaint), std::string::npos) << order.error().message;
    const ShopOutcome outcome = Decide(random, "POST", "/api/orders", c.body);
    EXPECT_EQ(outcome.response.status, 400);
    EXPECT_EQ(outcome.order_status, "invalid");
  }
  EXPECT_DOUBLE_EQ(ParseOrder(kGoodOrder)->value(), 19.98);
}

}  // namespace
}  // namespace narthex::demo
