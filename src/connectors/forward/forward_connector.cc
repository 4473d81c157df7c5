#include "connectors/forward/forward_connector.h"

namespace narthex::connectors {

std::unique_ptr<pipeline::Connector> ForwardConnector::Create(
    const pipeline::CreateContext& context, const pipeline::ConnectorOutputs& outputs) {
  config::MapReader(context.config, context.diagnostics).Finish();
  return std::make_unique<ForwardConnector>(context.id.ToString(), context.host, outputs);
}

ForwardConnector::ForwardConnector(const std::string& name, pipeline::Host& host,
                                   const pipeline::ConnectorOutputs& outputs)
    : metrics_(outputs.metrics),
      passages_(outputs.passages),
      flow_(host.instruments, "connector/" + name) {}

pipeline::Passage* ForwardConnector::passage(pipeline::Signal signal) {
  const auto found = passages_.find(signal);
  return found == passages_.end() ? nullptr : found->second;
}

base::Status ForwardConnector::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  flow_.In(points);
  base::Status status = metrics_->Consume(std::move(batch));
  if (status.has_value()) {
    flow_.Out(points);
  } else {
    flow_.Lost("refused_downstream", points);
  }
  return status;
}

}  // namespace narthex::connectors
