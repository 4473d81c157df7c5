#include "processors/attributes/attributes_processor.h"

namespace narthex::processors {

std::unique_ptr<pipeline::Processor> AttributesProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  config::MapReader reader(context.config, context.diagnostics);
  Config config{
      .actions = attributes::Actions::Read(reader, "actions", context.diagnostics),
      .gate = attributes::MetricGate::Read(reader, context.diagnostics),
  };
  reader.Finish();
  return std::make_unique<AttributesProcessor>(std::move(config), context.id.ToString(),
                                               context.host, next);
}

AttributesProcessor::AttributesProcessor(Config config, const std::string& name,
                                         pipeline::Host& host, pipeline::Consumer& next)
    : config_(std::move(config)), handover_(host, name, next) {}

base::Status AttributesProcessor::Consume(otlp::Batch batch) {
  otlp::Arena arena;
  for (otlp::ResourceMetrics& resource : batch.resources) {
    bool is_resource_changed = false;
    for (uint32_t s = 0; s < resource.scope_count; ++s) {
      otlp::Scope& scope = batch.scopes[resource.first_scope + s];
      bool is_scope_changed = false;
      for (uint32_t m = 0; m < scope.metric_count; ++m) {
        otlp::Metric& metric = batch.metrics[scope.first_metric + m];
        if (!config_.gate.Passes(metric, resource.attributes)) continue;
        is_scope_changed |= Edit(batch, metric, arena);
      }
      if (is_scope_changed) scope.raw = {};
      is_resource_changed |= is_scope_changed;
    }
    if (is_resource_changed) resource.raw = {};
  }
  arena.GiveTo(batch);
  const size_t points = batch.point_count();
  return handover_.Pass(std::move(batch), points);
}

bool AttributesProcessor::Edit(otlp::Batch& batch, otlp::Metric& metric, otlp::Arena& arena) const {
  bool is_changed = false;
  otlp::VisitPoints(batch, metric, [&](auto& point) {
    otlp::AttributeEditor editor(point.attributes);
    config_.actions.Apply(editor, batch.client.get());
    if (!editor.is_changed()) return;
    otlp::SetAttributes(point, editor, arena);
    is_changed = true;
  });
  if (is_changed) metric.raw = {};
  return is_changed;
}

}  // namespace narthex::processors
