#include "demo/shop_api.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <future>

#include "json/reader.h"
#include "net/http_client.h"
#include "net/open_files.h"
#include "sdk/meter_provider.h"

namespace narthex::demo {
namespace {

class ShopApiTest : public ::testing::Test {
 protected:
  ShopApiTest()
      : meter_(provider_.GetMeter("narthex.shop")),
        api_(ShopApi::Start({.listen_address = "127.0.0.1:0"}, *meter_, base::SystemClock())
                 .value()) {}

  net::HttpClientRequest To(std::string method, std::string path, std::string body = "") {
    net::HttpClientRequest request;
    request.method = std::move(method);
    request.url = fmt::format("http://127.0.0.1:{}{}", api_->port(), path);
    request.body = std::move(body);
    return request;
  }

  // The sum of a metric's points.
  double Total(std::string_view name) {
    sdk::MetricBatch batch;
    provider_.Collect(batch);
    double total = 0;
    for (const sdk::ScopeData& scope : batch.scopes) {
      for (const sdk::MetricData& metric : scope.metrics) {
        if (metric.name != name) continue;
        for (const sdk::NumberPoint& point : metric.numbers) {
          total += point.is_int ? static_cast<double>(point.int_value) : point.double_value;
        }
        for (const sdk::HistogramPoint& point : metric.histograms) {
          total += static_cast<double>(point.count);
        }
      }
    }
    return total;
  }

  sdk::MeterProvider provider_;
  std::shared_ptr<sdk::Meter> meter_;
  std::unique_ptr<ShopApi> api_;
  net::HttpClient client_;
};

TEST_F(ShopApiTest, CountsEveryAnswerOnce) {
  constexpr int kHealth = 20;
  for (int i = 0; i < kHealth; ++i) {
    EXPECT_EQ(client_.FetchAndWait(To("GET", "/health"))->status, 200);
  }
  EXPECT_EQ(client_.FetchAndWait(To("POST", "/api/orders", "nonsense"))->status, 400);
  EXPECT_EQ(client_.FetchAndWait(To("GET", "/nowhere"))->status, 404);
  const auto counts = client_.FetchAndWait(To("GET", "/-/counts"));
  const auto document = json::Document::Parse(counts->body).value();
  EXPECT_EQ(document.root().Get("in_flight").Int(), 0);
  std::map<std::string, int64_t> seen;
  document.root().Get("requests").ForEachItem([&](json::Element item) {
    seen[std::string(*item.Get("endpoint").String())] += *item.Get("count").Int();
    return true;
  });
  EXPECT_EQ(seen, (std::map<std::string, int64_t>{
                      {"/health", kHealth}, {"/api/orders", 1}, {"other", 1}}));
  EXPECT_EQ(Total("http.requests"), kHealth + 2);
  EXPECT_EQ(Total("http.request.duration"), kHealth + 2);
  EXPECT_EQ(Total("http.requests.in_flight"), 0);
  EXPECT_EQ(Total("orders"), 1);
  EXPECT_EQ(Total("orders.value"), 0);
}

TEST_F(ShopApiTest, AThousandSlowRequestsWaitAtOnceAndStopLetsThemFinish) {
  net::RaiseOpenFilesLimit();  // Both ends of every connection are here.
  constexpr int kCount = 1000;
  std::atomic<int> good{0}, left{kCount};
  std::promise<void> all;
  for (int i = 0; i < kCount; ++i) {
    client_.Fetch(To("GET", "/api/slow"), [&](base::Result<net::HttpClientResponse> response) {
      if (response.has_value() && response->status == 200) ++good;
      if (--left == 0) all.set_value();
    });
  }
  const auto in_flight = [&] {
    const auto counts = client_.FetchAndWait(To("GET", "/-/counts"));
    return json::Document::Parse(counts->body)->root().Get("in_flight").Int().value_or(0);
  };
  while (in_flight() < kCount && left > 0) {
  }
  api_->Stop(std::chrono::seconds(30));
  all.get_future().wait();
  EXPECT_EQ(good, kCount);
}

}  // namespace
}  // namespace narthex::demo
