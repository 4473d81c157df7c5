#include "exporters/prometheus/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "pipeline/testing/contract.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::exporters {
namespace {

using testing::HasSubstr;

class PrometheusExporterTest : public testing::Test {
 protected:
  void Start(PrometheusConfig config) {
    config.server.endpoint = "127.0.0.1:0";
    exporter_ = std::make_unique<PrometheusExporter>(config, "prometheus", host_.host());
    ASSERT_TRUE(exporter_->Start().has_value());
  }
  net::HttpClientResponse Get(const std::string& path, const std::string& accept = "") {
    net::HttpClientRequest request{.url = "http://127.0.0.1:" + std::to_string(exporter_->port()) +
                                          path};
    if (!accept.empty()) request.headers.Set("Accept", accept);
    return *client_.FetchAndWait(std::move(request));
  }

  pipeline::TestHost host_;
  net::HttpClient client_;
  std::unique_ptr<PrometheusExporter> exporter_;
};

TEST_F(PrometheusExporterTest, ServesWhatItConsumed) {
  Start({.without_scope_info = true});
  ASSERT_TRUE(exporter_->Consume(pipeline::GaugeBatch(1)).has_value());
  const auto response = Get("/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.Get("Content-Type"),
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
  EXPECT_EQ(response.body, "# HELP gauge \n# TYPE gauge gauge\ngauge 0\n");
  EXPECT_EQ(Get("/").status, 404);
  EXPECT_EQ(host_.Count("otelcol_exporter_sent_metric_points"), 1);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST_F(PrometheusExporterTest, OpenMetricsOnlyWhereEnabledAndAskedFor) {
  const std::string accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
  Start({});
  EXPECT_THAT(std::string(Get("/metrics", accept).headers.Get("Content-Type")),
              HasSubstr("text/plain"));
  Start({.enable_open_metrics = true});
  EXPECT_THAT(std::string(Get("/metrics", accept).headers.Get("Content-Type")),
              HasSubstr("application/openmetrics-text; version=1.0.0"));
  EXPECT_EQ(Get("/metrics", accept).body, "# EOF\n");
  EXPECT_EQ(Get("/metrics").body, "");
}

TEST_F(PrometheusExporterTest, TheHeaviestWishIsGranted) {
  Start({.enable_open_metrics = true});
  const auto type = [&](const std::string& accept) {
    return std::string(Get("/metrics", accept).headers.Get("Content-Type"));
  };
  const std::string protobuf =
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
  EXPECT_THAT(type(protobuf + ",application/openmetrics-text;q=0.8,*/*;q=0.1"),
              HasSubstr("application/vnd.google.protobuf"));
  EXPECT_THAT(type(protobuf + ";q=0.2 , application/openmetrics-text; q=0.8"),
              HasSubstr("application/openmetrics-text"));
  EXPECT_THAT(type("application/vnd.google.protobuf;proto=other.Message,*/*;q=0.1"),
              HasSubstr("text/plain"));
  EXPECT_THAT(type("text/plain;q=x," + protobuf + ";q=0.3;escaping=allow-utf-8"),
              HasSubstr("delimited; escaping=allow-utf-8"));
}

TEST_F(PrometheusExporterTest, ForgetsExpiredSeriesWhenServing) {
  Start({.expiration = std::chrono::seconds(10)});
  ASSERT_TRUE(exporter_->Consume(pipeline::GaugeBatch(1)).has_value());
  host_.clock().AdvanceMs(11'000);
  EXPECT_EQ(Get("/metrics").body, "");
}

TEST_F(PrometheusExporterTest, LostPointsHaveAReason) {
  Start({});
  // Three points for one series: two replace an equal time, and one batch is older.
  ASSERT_TRUE(exporter_->Consume(pipeline::GaugeBatch(3)).has_value());
  otlp::Batch older = pipeline::GaugeBatch(2);
  for (otlp::NumberPoint& point : older.numbers) point.time_ns = 1;
  ASSERT_TRUE(exporter_->Consume(std::move(older)).has_value());
  EXPECT_EQ(host_.Count("narthex_points_lost", "out_of_order"), 2);
  EXPECT_EQ(host_.Count("otelcol_exporter_refused_metric_points"), 2);
  EXPECT_EQ(host_.Imbalance(), 0);
}

TEST(PrometheusConfig, ReadsEveryKey) {
  pipeline::TestHost host;
  const auto errors = [&](std::string_view yaml) {
    (void)host.Make(&PrometheusExporter::Create, yaml);
    return host.errors();
  };
  EXPECT_EQ(errors(R"(endpoint: 0.0.0.0:8889
namespace: ns
const_labels: {env: prod, zone: "1"}
send_timestamps: true
metric_expiration: 180m
enable_open_metrics: true
add_metric_suffixes: false
without_scope_info: true
resource_to_telemetry_conversion: {enabled: true, exclude_service_attributes: true}
translation_strategy: NoTranslation)"),
            "");
  EXPECT_THAT(errors(""), HasSubstr("expecting a non-blank address to run the Prometheus metrics "
                                    "handler"));
  EXPECT_THAT(errors("endpoint: x:1\ntranslation_strategy: Best"),
              HasSubstr("invalid translation_strategy: Best"));
  EXPECT_THAT(errors("endpoint: x:1\nendpiont: y"), HasSubstr("did you mean"));
  EXPECT_THAT(errors("endpoint: x:1\nconst_labels: {a.b: c}"),
              HasSubstr("\"a.b\" is not a label name"));
  EXPECT_THAT(errors("endpoint: x:1\nresource_to_telemetry_conversion: {enabled: true}\n"
                     "resource_constant_labels: {included: [a]}"),
              HasSubstr("may not be combined"));
  EXPECT_THAT(errors("endpoint: x:1\ntls: {cert_file: x}"), HasSubstr("both certificate and key"));
}

TEST(PrometheusExporter, KeepsTheContract) {
  pipeline::ExpectExporterContract(&PrometheusExporter::Create, "endpoint: 127.0.0.1:0");
}

}  // namespace
}  // namespace narthex::exporters
