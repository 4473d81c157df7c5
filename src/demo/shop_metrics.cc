#include "demo/shop_metrics.h"

#include <string>

namespace narthex::demo {
namespace {

// Seconds: those that the semantic conventions advise for HTTP servers, and the ends of the shop's
// latency ranges, so that quantiles do not stray out of a range by interpolation.
const std::vector<double> kDurationBounds = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15,
                                             0.2,   0.25, 0.3,   0.5,  0.75,  1,   2.5,
                                             3,     4,    5,     7.5,  10};

}  // namespace

ShopMetrics::ShopMetrics(sdk::Meter& meter)
    : requests_(meter.CreateUInt64Counter("http.requests", "Total HTTP requests", "{request}")),
      duration_(meter.CreateDoubleHistogram("http.request.duration", "Request latency distribution",
                                            "s", {.boundaries = kDurationBounds})),
      in_flight_(meter.CreateInt64UpDownCounter("http.requests.in_flight",
                                                "Active concurrent requests", "{request}")),
      orders_(meter.CreateUInt64Counter("orders", "Total orders created", "{order}")),
      orders_value_(meter.CreateDoubleCounter("orders.value", "Sum of all order values", "")),
      cache_hits_(meter.CreateUInt64Counter("cache.hits", "Cache hit/miss count", "{hit}")) {}

void ShopMetrics::RequestBegan(std::string_view method) {
  in_flight_->Add(1, {{"method", method}});
}

void ShopMetrics::RequestEnded(const ShopOutcome& outcome, std::chrono::nanoseconds duration) {
  const std::string status = std::to_string(outcome.response.status);
  requests_->Add(1, {{"method", outcome.method},
                     {"endpoint", outcome.endpoint},
                     {"status", std::string_view(status)}});
  duration_->Record(std::chrono::duration<double>(duration).count(),
                    {{"method", outcome.method}, {"endpoint", outcome.endpoint}});
  in_flight_->Add(-1, {{"method", outcome.method}});
  if (outcome.cache_hit.has_value()) {
    cache_hits_->Add(1, {{"result", *outcome.cache_hit ? "hit" : "miss"}});
  }
  if (outcome.order_status.empty()) return;
  orders_->Add(1, {{"status", outcome.order_status}});
  if (outcome.order_value > 0) orders_value_->Add(outcome.order_value);
}

}  // namespace narthex::demo
