#include "exporters/nop/nop_exporter.h"

namespace narthex::exporters {

std::unique_ptr<pipeline::Exporter> NopExporter::Create(const pipeline::CreateContext& context) {
  config::MapReader(context.config, context.diagnostics).Finish();
  return std::make_unique<NopExporter>(context.id.ToString(), context.host);
}

NopExporter::NopExporter(const std::string& name, pipeline::Host& host)
    : flow_(host.instruments, "exporter/" + name),
      sent_(host.instruments.exporter_sent->Bind({{"exporter", name}})) {}

base::Status NopExporter::Consume(otlp::Batch batch) {
  flow_.In(batch.point_count());
  flow_.Out(batch.point_count());
  sent_.Add(batch.point_count());
  return {};
}

}  // namespace narthex::exporters
