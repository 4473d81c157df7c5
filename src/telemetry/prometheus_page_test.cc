#include "telemetry/prometheus_page.h"

#include <gtest/gtest.h>

#include "sdk/meter_provider.h"

namespace narthex::telemetry {
namespace {

TEST(PrometheusPage, ShowsEveryKindOfInstrument) {
  sdk::MeterProvider provider;
  const auto meter = provider.GetMeter("m");
  meter->CreateUInt64Counter("requests", "help", "{r}")->Add(3, {{"http.method", "GET"}});
  meter->CreateInt64UpDownCounter("in.flight")->Add(-1);
  meter->CreateDoubleHistogram("latency", "", "s", {std::vector{0.5, 1.0}})->Record(0.75);
  sdk::MetricBatch batch;
  provider.Collect(batch);
  EXPECT_EQ(RenderPrometheus(batch, {.const_labels = "service=\"x\""}),
            "# HELP in_flight \n# TYPE in_flight gauge\nin_flight{service=\"x\"} -1\n"
            "# HELP latency_seconds \n# TYPE latency_seconds histogram\n"
            "latency_seconds_bucket{service=\"x\",le=\"0.5\"} 0\n"
            "latency_seconds_bucket{service=\"x\",le=\"1\"} 1\n"
            "latency_seconds_bucket{service=\"x\",le=\"+Inf\"} 1\n"
            "latency_seconds_sum{service=\"x\"} 0.75\n"
            "latency_seconds_count{service=\"x\"} 1\n"
            "# HELP requests_total help\n# TYPE requests_total counter\n"
            "requests_total{http_method=\"GET\",service=\"x\"} 3\n");
  const std::string plain = RenderPrometheus(batch, {.with_suffixes = false});
  EXPECT_NE(plain.find("\nrequests{http_method=\"GET\"} 3\n"), std::string::npos);
  EXPECT_NE(plain.find("\nlatency_sum 0.75\n"), std::string::npos);
}

}  // namespace
}  // namespace narthex::telemetry
