#include "collector/components.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "pipeline/testing/contract.h"

namespace narthex::collector {
namespace {

// A configuration for every type there is; `DIR` becomes a folder for tests.
const std::map<std::string_view, std::string_view> kConfigurations = {
    // Receivers.
    {"hostmetrics", "scrapers: {load: }"},
    {"influxdb", "endpoint: 127.0.0.1:0"},
    {"otlp", "protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}"},
    {"prometheus",
     "config: {scrape_configs: [{job_name: a, static_configs: [{targets: ['127.0.0.1:1']}]}]}"},
    {"statsd", "endpoint: 127.0.0.1:0"},
    // Processors.
    {"attributes", "actions: [{key: a, value: b, action: upsert}]"},
    {"batch", "{send_batch_size: 10, send_batch_max_size: 15, timeout: 1s}"},
    {"cumulativetodelta", "initial_value: keep"},
    {"deltatocumulative", ""},
    {"filter", "metric_conditions: ['datapoint.attributes[\"series\"] == \"1\"']"},
    {"groupbyattrs", "keys: [series]"},
    {"interval", "interval: 10s"},
    {"memory_limiter", "{check_interval: 1s, limit_mib: 4000}"},
    {"metricstarttime", "strategy: subtract_initial_point"},
    {"metricstransform", "transforms: [{include: metric.7, action: insert, new_name: x}]"},
    {"resource", "attributes: [{key: service.name, action: upsert, value: b}]"},
    {"resourcedetection", "{detectors: [env, system], system: {hostname_sources: [os]}}"},
    {"transform", "metric_statements: ['set(datapoint.attributes[\"a\"], metric.name)']"},
    // Exporters.
    {"debug", "verbosity: normal"},
    {"file", "path: DIR/narthex_contract_file"},
    {"loadbalancing",
     "{resolver: {static: {hostnames: ['127.0.0.1:1', '127.0.0.1:2']}}, "
     "protocol: {otlp: {tls: {insecure: true}, retry_on_failure: {enabled: false}}}}"},
    {"nop", ""},
    {"otlp_grpc", "{endpoint: 'http://127.0.0.1:1', retry_on_failure: {enabled: false}}"},
    {"otlp_http", "{endpoint: 'http://127.0.0.1:1', retry_on_failure: {enabled: false}}"},
    {"prometheus exporter", "endpoint: 127.0.0.1:0"},
    {"prometheusremotewrite",
     "{endpoint: 'http://127.0.0.1:1', retry_on_failure: {enabled: false}}"},
    // Connectors.
    {"forward", ""},
    {"routing",
     "{table: [{context: metric, condition: 'name == \"metric.7\"', pipelines: [metrics]}]}"},
    {"spanmetrics", "dimensions: [{name: region}]"},
    // Extensions.
    {"basicauth", "htpasswd: {inline: 'a:b'}"},
    {"bearertokenauth", "token: a"},
    {"file_storage", "{create_directory: true, directory: DIR/narthex_contract_storage}"},
    {"headers_setter", "headers: [{key: a, value: b}]"},
    {"health_check", "endpoint: 127.0.0.1:0"},
    {"oauth2client", "{client_id: a, client_secret: b, token_url: 'http://127.0.0.1:1'}"},
    {"pprof", "endpoint: 127.0.0.1:0"},
    {"zpages", "endpoint: 127.0.0.1:0"},
};

// Fails for a type that was forgotten above.
std::string ConfigurationOf(std::string_view type) {
  const auto found = kConfigurations.find(type);
  EXPECT_NE(found, kConfigurations.end()) << "no configuration to test " << type << " with";
  std::string text(found == kConfigurations.end() ? "" : found->second);
  if (const size_t at = text.find("DIR/"); at != std::string::npos) {
    text.replace(at, 4, testing::TempDir());
  }
  return text;
}

// Whatever is registered is under test.
TEST(Components, KeepTheContract) {
  const pipeline::Factories factories = BuiltInFactories();
  pipeline::FakeConsumer next;
  for (const auto& factory : factories.receivers) {
    SCOPED_TRACE(factory.type);
    pipeline::ExpectStartStopContract(factory.create, ConfigurationOf(factory.type), next);
  }
  for (const auto& factory : factories.processors) {
    SCOPED_TRACE(factory.type);
    pipeline::ExpectProcessorContract(factory.create, ConfigurationOf(factory.type));
  }
  for (const auto& factory : factories.exporters) {
    SCOPED_TRACE(factory.type);
    const bool is_twice = factory.type == "prometheus";  // There is a receiver of that name.
    pipeline::ExpectExporterContract(
        factory.create, ConfigurationOf(is_twice ? "prometheus exporter" : factory.type));
  }
  for (const auto& factory : factories.connectors) {
    SCOPED_TRACE(factory.type);
    pipeline::ExpectConnectorContract(factory.create, ConfigurationOf(factory.type));
  }
  for (const auto& factory : factories.extensions) {
    SCOPED_TRACE(factory.type);
    pipeline::ExpectStartStopContract(factory.create, ConfigurationOf(factory.type));
  }
}

TEST(Components, HaveNamesOfTheirOwn) {
  const pipeline::Factories factories = BuiltInFactories();
  const auto check = [](const auto& rows) {
    std::set<std::string_view> names;
    for (const auto& row : rows) {
      EXPECT_TRUE(names.insert(row.type).second) << row.type;
      if (!row.alias.empty()) {
        EXPECT_TRUE(names.insert(row.alias).second) << row.alias;
      }
    }
  };
  check(factories.receivers);
  check(factories.processors);
  check(factories.exporters);
  check(factories.connectors);
  check(factories.extensions);
}

}  // namespace
}  // namespace narthex::collector
