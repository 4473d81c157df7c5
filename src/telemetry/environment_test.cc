#include "telemetry/environment.h"

#include <gtest/gtest.h>

#include <map>

namespace narthex::telemetry {
namespace {

using Variables = std::map<std::string, std::string>;

Settings Read(const Variables& variables) {
  const GetEnv get = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found != variables.end() ? std::optional(found->second) : std::nullopt;
  };
  return ReadSettings(get, base::NullLogger());
}

TEST(Environment, DefaultsAreTheSpecifications) {
  const Settings settings = Read({});
  EXPECT_FALSE(settings.disabled);
  EXPECT_EQ(settings.url, "http://localhost:4318/v1/metrics");
  EXPECT_EQ(settings.interval.count(), 60'000);
  EXPECT_EQ(settings.timeout.count(), 10'000);
  EXPECT_FALSE(settings.gzip);
}

TEST(Environment, GeneralEndpointGetsAPathAndTheSignalsOwnDoesNot) {
  const std::string general = "OTEL_EXPORTER_OTLP_ENDPOINT";
  const std::string own = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
  EXPECT_EQ(Read({{general, "http://c:1"}}).url, "http://c:1/v1/metrics");
  EXPECT_EQ(Read({{general, "http://c:1/x/"}}).url, "http://c:1/x/v1/metrics");
  EXPECT_EQ(Read({{own, "http://c:1/mine"}, {general, "http://d"}}).url, "http://c:1/mine");
  EXPECT_EQ(Read({{own, "http://c:1"}}).url, "http://c:1/");
  EXPECT_EQ(Read({{own, ""}, {general, "http://d"}}).url, "http://d/v1/metrics");
}

TEST(Environment, ServiceNameWins) {
  const Settings settings =
      Read({{"OTEL_RESOURCE_ATTRIBUTES", "service.name=a,zone=z%20w"}, {"OTEL_SERVICE_NAME", "b"}});
  EXPECT_EQ(settings.resource_attributes.Find("service.name")->AsString(), "b");
  EXPECT_EQ(settings.resource_attributes.Find("zone")->AsString(), "z w");
}

TEST(Environment, EverythingElse) {
  const Settings settings =
      Read({{"OTEL_SDK_DISABLED", "TRUE"},
            {"OTEL_METRICS_EXPORTER", "none"},
            {"OTEL_METRIC_EXPORT_INTERVAL", "500"},
            {"OTEL_EXPORTER_OTLP_TIMEOUT", "7000"},
            {"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "250"},
            {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
            {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
            {"OTEL_EXPORTER_OTLP_HEADERS", "a=b%2C, api-key = k"},
            {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory"}});
  EXPECT_TRUE(settings.disabled);
  EXPECT_EQ(settings.exporter, Settings::Exporter::kNone);
  EXPECT_EQ(settings.interval.count(), 500);
  EXPECT_EQ(settings.timeout.count(), 250);
  EXPECT_TRUE(settings.gzip);
  EXPECT_EQ(settings.protocol, Settings::Protocol::kHttpJson);
  ASSERT_EQ(settings.headers.size(), 2u);
  EXPECT_EQ(settings.headers[0].second, "b,");
  EXPECT_EQ(settings.headers[1].first, "api-key");
  EXPECT_EQ(settings.temporality, sdk::TemporalityPreference::kLowMemory);
}

TEST(Environment, GrpcTakesHostAndPortOfAnyEndpoint) {
  const auto url = [](Variables variables) {
    variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc";
    return Read(variables).url;
  };
  const std::string endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
  EXPECT_EQ(url({}), "http://localhost:4317");
  EXPECT_EQ(url({{endpoint, "http://c:1"}}), "http://c:1");
  EXPECT_EQ(url({{endpoint, "https://c:1/x"}}), "https://c:1");
  EXPECT_EQ(url({{endpoint, "c:1"}}), "https://c:1");
  EXPECT_EQ(url({{endpoint, "c:1"}, {"OTEL_EXPORTER_OTLP_INSECURE", "true"}}), "http://c:1");
  EXPECT_EQ(url({{endpoint, "unix:///x"}}), "http://localhost:4317");
}

TEST(Environment, ReadersAndWhatTheyWant) {
  const Settings settings = Read({{"OTEL_METRICS_EXPORTER", "Prometheus"},
                                  {"OTEL_EXPORTER_PROMETHEUS_HOST", "::1"},
                                  {"OTEL_EXPORTER_PROMETHEUS_PORT", "1234"},
                                  {"OTEL_METRICS_EXEMPLAR_FILTER", "always_on"},
                                  {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                                   "base2_exponential_bucket_histogram"}});
  EXPECT_EQ(settings.exporter, Settings::Exporter::kPrometheus);
  EXPECT_EQ(settings.prometheus_address, "[::1]:1234");
  EXPECT_EQ(settings.exemplars, sdk::ExemplarFilter::kAlwaysOn);
  EXPECT_EQ(settings.histogram_aggregation, sdk::Aggregation::kBase2ExponentialHistogram);
  EXPECT_EQ(Read({{"OTEL_METRICS_EXPORTER", "console"}}).exporter, Settings::Exporter::kConsole);
  EXPECT_EQ(Read({{"OTEL_EXPORTER_PROMETHEUS_PORT", "99999"}}).prometheus_address,
            "localhost:9464");
}

TEST(Environment, NonsenseLeavesTheDefault) {
  const Settings settings = Read({{"OTEL_METRIC_EXPORT_INTERVAL", "-5"},
                                  {"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"},
                                  {"OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"},
                                  {"OTEL_RESOURCE_ATTRIBUTES", "no equals sign"},
                                  {"OTEL_EXPORTER_OTLP_HEADERS", "=x,y"}});
  EXPECT_EQ(settings.interval.count(), 60'000);
  EXPECT_EQ(settings.url, "http://localhost:4318/v1/metrics");
  EXPECT_FALSE(settings.gzip);
  EXPECT_TRUE(settings.resource_attributes.empty());
  EXPECT_TRUE(settings.headers.empty());
}

}  // namespace
}  // namespace narthex::telemetry
