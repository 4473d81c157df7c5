#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ottl/condition.h"
#include "pipeline/factory.h"

namespace narthex::connectors {

// Sends metrics to the pipelines of the first row of a table whose condition holds for them: whole
// resources, whole metrics or single points, by the row's context. What no row takes goes to the
// default pipelines, or is dropped and counted. Thread-safe.
// Source: opentelemetry-collector-contrib, connector/routingconnector.
class RoutingConnector final : public pipeline::Connector, private pipeline::Consumer {
 public:
  enum class ErrorMode { kPropagate, kIgnore, kSilent };
  struct Row {
    ottl::Condition condition;
    ottl::Level context = ottl::Level::kResource;
    std::vector<pipeline::Consumer*> next;
  };
  struct Config {
    std::vector<Row> table;
    std::vector<pipeline::Consumer*> otherwise;
    ErrorMode error_mode = ErrorMode::kPropagate;
  };
  static std::unique_ptr<pipeline::Connector> Create(const pipeline::CreateContext& context,
                                                     const pipeline::ConnectorOutputs& outputs);

  RoutingConnector(Config config, const std::string& name, pipeline::Host& host);
  base::Status Start() override { return {}; }
  void Stop() override {}
  pipeline::Consumer* consumer() override { return this; }

 private:
  base::Status Consume(otlp::Batch batch) override;
  // Takes out of `batch` what the row's condition holds for.
  base::Result<otlp::Batch> Split(const Row& row, otlp::Batch& batch) const;
  // Returns the first error.
  base::Status Send(const std::vector<pipeline::Consumer*>& next, otlp::Batch batch);

  const Config config_;
  const std::string name_;
  const base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Flow flow_;
};

inline constexpr pipeline::ConnectorFactory kRoutingConnector = {"routing", "",
                                                                 &RoutingConnector::Create};

}  // namespace narthex::connectors
