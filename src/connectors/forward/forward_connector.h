#pragma once

#include <map>
#include <memory>

#include "pipeline/factory.h"

namespace narthex::connectors {

// Joins pipelines: what comes out of some goes into others, as it is. Thread-safe.
// Source: opentelemetry-collector, connector/forwardconnector.
class ForwardConnector final : public pipeline::Connector, private pipeline::Consumer {
 public:
  static std::unique_ptr<pipeline::Connector> Create(const pipeline::CreateContext& context,
                                                     const pipeline::ConnectorOutputs& outputs);

  ForwardConnector(const std::string& name, pipeline::Host& host,
                   const pipeline::ConnectorOutputs& outputs);
  base::Status Start() override { return {}; }
  void Stop() override {}
  pipeline::Consumer* consumer() override { return metrics_ == nullptr ? nullptr : this; }
  pipeline::Passage* passage(pipeline::Signal signal) override;

 private:
  base::Status Consume(otlp::Batch batch) override;

  pipeline::Consumer* const metrics_;
  const std::map<pipeline::Signal, pipeline::Passage*> passages_;
  pipeline::Flow flow_;
};

inline constexpr pipeline::ConnectorFactory kForwardConnector = {"forward", "",
                                                                 &ForwardConnector::Create};

}  // namespace narthex::connectors
