#include "processors/resource/resource_processor.h"

namespace narthex::processors {

std::unique_ptr<pipeline::Processor> ResourceProcessor::Create(
    const pipeline::CreateContext& context, pipeline::Consumer& next) {
  config::MapReader reader(context.config, context.diagnostics);
  attributes::Actions actions =
      attributes::Actions::Read(reader, "attributes", context.diagnostics);
  reader.Finish();
  return std::make_unique<ResourceProcessor>(std::move(actions), context.id.ToString(),
                                             context.host, next);
}

ResourceProcessor::ResourceProcessor(attributes::Actions actions, const std::string& name,
                                     pipeline::Host& host, pipeline::Consumer& next)
    : actions_(std::move(actions)), handover_(host, name, next) {}

base::Status ResourceProcessor::Consume(otlp::Batch batch) {
  otlp::Arena arena;
  for (otlp::ResourceMetrics& resource : batch.resources) {
    otlp::AttributeEditor editor(resource.attributes);
    actions_.Apply(editor, batch.client.get());
    if (editor.is_changed()) otlp::SetAttributes(resource, editor, arena);
  }
  arena.GiveTo(batch);
  const size_t points = batch.point_count();
  return handover_.Pass(std::move(batch), points);
}

}  // namespace narthex::processors
