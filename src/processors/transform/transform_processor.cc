#include "processors/transform/transform_processor.h"

#include "otlp/rebuilt.h"

namespace narthex::processors {

using ottl::Level;
using ottl::Stage;

std::unique_ptr<pipeline::Processor> TransformProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  return std::make_unique<TransformProcessor>(ReadTransformConfig(context), context.id.ToString(),
                                              context.host, next);
}

TransformProcessor::TransformProcessor(TransformConfig config, const std::string& name,
                                       pipeline::Host& host, pipeline::Consumer& next)
    : config_(std::move(config)),
      name_(name),
      clock_(host.env.clock),
      logger_(host.logger),
      handover_(host, name, next) {}

base::Status TransformProcessor::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (config_.groups.empty()) return handover_.Pass(std::move(batch), points);
  otlp::Tree tree = otlp::Tree::From(batch);
  for (const Group& group : config_.groups) {
    if (const base::Status status = Run(group, tree); !status.has_value()) {
      return handover_.Refuse(points, status.error());
    }
  }
  return handover_.Pass(otlp::Rebuilt(tree, batch), points, "transformed");
}

base::Status TransformProcessor::Run(const Group& group, otlp::Tree& tree) const {
  for (otlp::TreeResource& resource : tree.resources) {
    Stage stage;
    stage.clock = &clock_;
    stage.resource = &resource;
    RETURN_IF_ERROR(RunOnResource(group, stage));
  }
  return {};
}

base::Status TransformProcessor::RunOnResource(const Group& group, Stage& stage) const {
  if (group.level == Level::kResource) return RunHere(group, stage);
  for (otlp::TreeScope& scope : stage.resource->scopes) {
    stage.scope = &scope;
    RETURN_IF_ERROR(group.level == Level::kScope ? RunHere(group, stage)
                                                 : RunOnMetrics(group, stage));
  }
  return {};
}

base::Status TransformProcessor::RunOnMetrics(const Group& group, Stage& stage) const {
  // Metrics that a statement adds come last and are looked at, too.
  for (size_t i = 0; i < stage.scope->metrics.size(); ++i) {
    stage.metric = &stage.scope->metrics[i];
    stage.point = nullptr;
    if (group.level == Level::kMetric) {
      RETURN_IF_ERROR(RunHere(group, stage));
      continue;
    }
    for (size_t p = 0; p < stage.metric->points.size(); ++p) {
      stage.point = &stage.metric->points[p];
      RETURN_IF_ERROR(group.level == Level::kDatapoint ? RunHere(group, stage)
                                                       : RunOnExemplars(group, stage));
    }
  }
  return {};
}

base::Status TransformProcessor::RunOnExemplars(const Group& group, Stage& stage) const {
  for (std::string& message : stage.point->exemplars) {
    auto exemplar = otlp::TreeExemplar::From(message);
    stage.exemplar = &exemplar;
    const base::Status status = RunHere(group, stage);
    stage.exemplar = nullptr;
    RETURN_IF_ERROR(status);
    message = exemplar.Encode();
  }
  return {};
}

base::Status TransformProcessor::RunHere(const Group& group, Stage& stage) const {
  otlp::AttributeMap cache;
  stage.cache = &cache;
  bool holds = group.conditions.empty();
  for (const ottl::Condition& condition : group.conditions) {
    const base::Result<bool> answer = condition.Evaluate(stage);
    if (!answer.has_value()) RETURN_IF_ERROR(Judge(group, answer.error()));
    holds |= answer.value_or(false);
    if (holds) break;
  }
  if (!holds) return {};
  for (const ottl::Statement& statement : group.statements) {
    const base::Status status = statement.Run(stage);
    if (!status.has_value()) RETURN_IF_ERROR(Judge(group, status.error()));
  }
  return {};
}

base::Status TransformProcessor::Judge(const Group& group, const base::Error& error) const {
  if (group.error_mode == TransformConfig::ErrorMode::kPropagate) return std::unexpected(error);
  if (group.error_mode == TransformConfig::ErrorMode::kIgnore) {
    logger_.Warn("transform", "failed to execute statement",
                 {{"processor", name_}, {"error", error.message}});
  }
  return {};
}

}  // namespace narthex::processors
