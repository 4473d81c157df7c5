#include "pipeline/describe.h"

#include "sdk/meter_provider.h"

namespace narthex::pipeline {
namespace {

// Behind components that never start.
class NoConsumer final : public Consumer {
 public:
  base::Status Consume(otlp::Batch) override { return {}; }
};

}  // namespace

Description DescribeKeys(const Factories& factories, base::Env env) {
  Description description;
  config::Schema schema;
  NoConsumer next;
  sdk::MeterProvider provider;
  const auto meter = provider.GetMeter("description");
  Instruments instruments(*meter);
  Host host{env, base::NullLogger(), *meter, instruments};
  const auto describe = [&](std::string_view kind, const auto& rows, auto&... after) {
    for (const auto& factory : rows) {
      const ComponentId id{std::string(factory.type), ""};
      config::Diagnostics diagnostics("sample", &schema);
      (void)factory.create(CreateContext{id, schema.Begin(), diagnostics, host}, after...);
      description.components.push_back({kind, factory.type, factory.alias, schema.TakeKeys()});
    }
  };
  describe("receiver", factories.receivers, next);
  describe("processor", factories.processors, next);
  describe("exporter", factories.exporters);
  const ConnectorOutputs outputs;
  describe("connector", factories.connectors, outputs);
  describe("extension", factories.extensions);
  description.groups = schema.groups();
  return description;
}

}  // namespace narthex::pipeline
