#include "collector/collector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/http_server.h"
#include "sdk/meter_provider.h"
#include "telemetry/encode.h"

namespace narthex::collector {
namespace {

using testing::HasSubstr;

uint16_t FreePort() {
  const auto server = net::HttpServer::Bind({.listen_address = "127.0.0.1:0"});
  return (*server)->port();
}

base::Result<std::unique_ptr<Collector>> Create(const std::string& yaml) {
  // As an environment variable, so that the test needs no file.
  const GetEnv env = [&](const std::string& name) -> std::optional<std::string> {
    return name == "CONFIG" ? std::optional(yaml) : std::nullopt;
  };
  return Collector::Create({.uris = {"env:CONFIG"}}, base::RealEnv(), env, base::NullLogger());
}

class CollectorTest : public testing::Test {
 protected:
  void Start() {
    auto collector = Create(fmt::format(R"(
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{}
processors:
  memory_limiter: {{check_interval: 1s, limit_mib: 64}}
  batch: {{timeout: 1h}}
exporters:
  prometheus:
    endpoint: 127.0.0.1:{}
  nop:
extensions:
  health_check: {{endpoint: "127.0.0.1:{}"}}
service:
  extensions: [health_check]
  telemetry:
    logs: {{level: error}}
    metrics: {{address: "127.0.0.1:0"}}
  pipelines:
    metrics:
      receivers: [otlp]
      processors: [memory_limiter]
      exporters: [prometheus]
    metrics/slow:
      receivers: [otlp]
      processors: [batch]
      exporters: [nop]
)",
                                        otlp_port_, page_port_, health_port_));
    ASSERT_TRUE(collector.has_value()) << collector.error().message;
    collector_ = *std::move(collector);
    const base::Status status = collector_->Start();
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }
  int Export(const sdk::MetricBatch& batch) {
    net::HttpClientRequest request{.method = "POST",
                                   .url = fmt::format("http://127.0.0.1:{}/v1/metrics", otlp_port_),
                                   .body = telemetry::EncodeOtlp(batch)};
    request.headers.Set("Content-Type", "application/x-protobuf");
    return client_.FetchAndWait(std::move(request))->status;
  }
  std::string Get(uint16_t port, std::string_view path) {
    return client_.FetchAndWait({.url = fmt::format("http://127.0.0.1:{}{}", port, path)})
        .value()
        .body;
  }

  const uint16_t otlp_port_ = FreePort();
  const uint16_t page_port_ = FreePort();
  const uint16_t health_port_ = FreePort();
  net::HttpClient client_;
  std::unique_ptr<Collector> collector_;
};

TEST_F(CollectorTest, WhatGoesInComesOut) {
  Start();
  sdk::MeterProvider provider({.resource = sdk::Resource::Create({{"service.name", "shop"}})});
  provider.GetMeter("m")->CreateUInt64Counter("orders", "Orders.", "{order}")->Add(7);
  sdk::MetricBatch batch;
  provider.Collect(batch);
  ASSERT_EQ(Export(batch), 200);
  EXPECT_EQ(Get(page_port_, "/metrics"),
            "# HELP orders_total Orders.\n# TYPE orders_total counter\n"
            "orders_total{job=\"shop\",otel_scope_name=\"m\",otel_scope_schema_url=\"\","
            "otel_scope_version=\"\"} 7\n");
  EXPECT_THAT(Get(health_port_, "/"), HasSubstr("Server available"));
  const std::string self = Get(collector_->self_port(), "/metrics");
  EXPECT_THAT(self, HasSubstr("\notelcol_receiver_accepted_metric_points{receiver=\"otlp\","
                              "transport=\"http\",service_instance_id=\""));
  EXPECT_THAT(self, HasSubstr("\notelcol_exporter_sent_metric_points{exporter=\"prometheus\","));
  EXPECT_THAT(self, HasSubstr("\notelcol_process_uptime{"));
  EXPECT_THAT(self, HasSubstr("\nnarthex_points_waiting{component=\"processor/batch\","));
  collector_->Stop();
  collector_->Stop();
}

TEST_F(CollectorTest, APortInUseIsAnErrorThatNamesTheComponent) {
  const auto taken = net::HttpServer::Bind({.listen_address = "127.0.0.1:0"});
  auto collector = Create(fmt::format(R"(
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{}"}}}}}}}}
exporters: {{nop: }}
service: {{telemetry: {{metrics: {{level: none}}}},
  pipelines: {{metrics: {{receivers: [otlp], exporters: [nop]}}}}}}
)",
                                      (*taken)->port()));
  ASSERT_TRUE(collector.has_value()) << collector.error().message;
  const base::Status status = (*collector)->Start();
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("receiver otlp: "));
}

TEST(CollectorConfig, EveryMistakeIsReportedAtOnce) {
  const auto collector = Create(R"(receivers:
  otlp:
    protocols:
      htpp:
exporters:
  prometheus:
    endpoint: 1
    metric_expiraton: 5m
service:
  telemetry:
    metrics: {level: loud}
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
)");
  ASSERT_FALSE(collector.has_value());
  const std::string& message = collector.error().message;
  EXPECT_THAT(message, HasSubstr("env:CONFIG:4:7: "));
  EXPECT_THAT(message, HasSubstr("env:CONFIG:8:5: "));
  EXPECT_THAT(message, HasSubstr("env:CONFIG:11:22: "));
  EXPECT_THAT(message, HasSubstr("did you mean \"http\""));
}

TEST(CollectorConfig, TheShippedFileIsValid) {
  const auto collector = Collector::Create(
      {.uris = {NARTHEX_SOURCE_DIR "/config/otel-collector-config.yaml"}}, base::RealEnv(),
      [](const std::string&) { return std::nullopt; }, base::NullLogger());
  EXPECT_TRUE(collector.has_value()) << collector.error().message;
}

TEST(CollectorConfig, TelemetryReadersChooseThePage) {
  config::Diagnostics diagnostics("f");
  const config::Node node = *config::ParseYaml(
      "metrics: {readers: [{pull: {exporter: {prometheus: {host: 0.0.0.0, port: 9999}}}}]}", "f");
  const SelfTelemetryConfig config = ReadSelfTelemetry(&node, diagnostics, base::NullLogger());
  EXPECT_TRUE(diagnostics.ok());
  EXPECT_EQ(config.metrics_address, "0.0.0.0:9999");
  EXPECT_TRUE(config.with_suffixes);
}

TEST(CollectorTelemetry, IsSentAtTheEndAtTheLatest) {
  base::Mutex mutex;
  std::string key, sent;
  const auto server = *net::HttpServer::Start(
      {.listen_address = "127.0.0.1:0"}, [&](net::HttpRequest request, net::Responder responder) {
        base::MutexLock lock(mutex);
        key = request.headers.Get("api-key");
        sent += request.body;
        responder.Send(net::HttpResponse{.status = 200});
      });
  auto collector = Create(fmt::format(R"(
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}}}
exporters: {{nop: }}
service:
  pipelines: {{metrics: {{receivers: [otlp], exporters: [nop]}}}}
  telemetry:
    metrics:
      readers:
        - periodic:
            interval: 3600000
            exporter:
              otlp:
                endpoint: http://127.0.0.1:{}/v1/metrics
                headers: [{{name: api-key, value: secret}}]
)",
                                      server->port()));
  ASSERT_TRUE(collector.has_value()) << collector.error().message;
  ASSERT_TRUE((*collector)->Start().has_value());
  (*collector)->Stop();
  base::MutexLock lock(mutex);
  EXPECT_EQ(key, "secret");
  EXPECT_THAT(sent, HasSubstr("otelcol_process_uptime"));
}

}  // namespace
}  // namespace narthex::collector
