#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "demo/shop_rules.h"
#include "sdk/meter.h"

namespace narthex::demo {

// The shop's instruments. Through a Prometheus exporter they are http_requests_total,
// http_request_duration_seconds, http_requests_in_flight, orders_total, orders_value_total and
// cache_hits_total. Thread-safe.
class ShopMetrics {
 public:
  explicit ShopMetrics(sdk::Meter& meter);

  void RequestBegan(std::string_view method);
  void RequestEnded(const ShopOutcome& outcome, std::chrono::nanoseconds duration);

 private:
  const std::unique_ptr<sdk::Counter<uint64_t>> requests_;
  const std::unique_ptr<sdk::Histogram<double>> duration_;
  const std::unique_ptr<sdk::UpDownCounter<int64_t>> in_flight_;
  const std::unique_ptr<sdk::Counter<uint64_t>> orders_;
  const std::unique_ptr<sdk::Counter<double>> orders_value_;
  const std::unique_ptr<sdk::Counter<uint64_t>> cache_hits_;
};

}  // namespace narthex::demo
