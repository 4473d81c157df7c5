#include "telemetry/prometheus_page.h"

#include <gtest/gtest.h>

#include "base/testing/manual_clock.h"
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

TEST(PrometheusPage, OpenMetricsShowsScopeTargetAndExemplars) {
  base::ManualClock clock(2000);
  sdk::MeterProvider provider(
      {.resource = sdk::Resource(sdk::AttributeSet({{"service.name", "shop"}, {"zone", "z"}})),
       .clock = clock,
       .views = {{.attributes = {.without = {"user"}}}}});
  const std::vector<sdk::Attribute> scope = {{"shard", 1}};
  const auto meter = provider.GetMeter("m", "2", "", scope);
  const auto requests = meter->CreateUInt64Counter("requests");
  const auto latency = meter->CreateDoubleHistogram("latency", "", "s", {std::vector{1.0}});
  {
    const sdk::SpanScope span({.trace_id = {0xab}, .span_id = {0xcd}, .is_sampled = true});
    requests->Add(3, {{"a.b", "x"}, {"a_b", "y"}, {"user", "ada"}});
    latency->Record(2);
  }
  sdk::MetricBatch batch;
  provider.Collect(batch);
  const std::string labels =
      "otel_scope_name=\"m\",otel_scope_schema_url=\"\","
      "otel_scope_shard=\"1\",otel_scope_version=\"2\"";
  const std::string trace =
      "trace_id=\"ab000000000000000000000000000000\",span_id=\"cd00000000000000\"";
  EXPECT_EQ(RenderPrometheus(batch, {.format = exposition::Format::kOpenMetrics,
                                     .with_scope = true,
                                     .with_target_info = true}),
            "# HELP target_info Target metadata\n# TYPE target_info gauge\n"
            "target_info{service_name=\"shop\",zone=\"z\"} 1.0\n"
            "# HELP latency_seconds \n# TYPE latency_seconds histogram\n"
            "latency_seconds_bucket{" +
                labels +
                ",le=\"1.0\"} 0\n"
                "latency_seconds_bucket{" +
                labels + ",le=\"+Inf\"} 1 # {" + trace +
                "} 2.0 2.0\n"
                "latency_seconds_sum{" +
                labels +
                "} 2.0\n"
                "latency_seconds_count{" +
                labels +
                "} 1\n"
                "# HELP requests \n# TYPE requests counter\n"
                "requests_total{a_b=\"x;y\"," +
                labels + "} 3.0 # {" + trace + ",user=\"ada\"} 3.0 2.0\n# EOF\n");
}

TEST(PrometheusPage, FamiliesOfSeveralScopesBecomeOne) {
  sdk::MeterProvider provider;
  provider.GetMeter("a")->CreateUInt64Counter("c")->Add(1);
  provider.GetMeter("b")->CreateUInt64Counter("c")->Add(2);
  provider.GetMeter("d")->CreateInt64Gauge("c_total")->Record(9);  // Another type: not shown.
  sdk::MetricBatch batch;
  provider.Collect(batch);
  const std::string page = RenderPrometheus(batch, {.with_scope = true});
  EXPECT_EQ(
      page,
      "# HELP c_total \n# TYPE c_total counter\n"
      "c_total{otel_scope_name=\"a\",otel_scope_schema_url=\"\",otel_scope_version=\"\"} 1\n"
      "c_total{otel_scope_name=\"b\",otel_scope_schema_url=\"\",otel_scope_version=\"\"} 2\n");
}

TEST(PrometheusPage, ExponentialHistogramsShowSumAndCount) {
  sdk::MeterProvider provider(
      {.readers = {{.histogram_aggregation = sdk::Aggregation::kBase2ExponentialHistogram}}});
  provider.GetMeter("m")->CreateDoubleHistogram("h")->Record(0.5);
  sdk::MetricBatch batch;
  provider.Collect(batch);
  EXPECT_EQ(RenderPrometheus(batch, {}),
            "# HELP h \n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 0.5\nh_count 1\n");
}

}  // namespace
}  // namespace narthex::telemetry
