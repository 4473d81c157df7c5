#include "collector/components.h"

#include "exporters/debug/debug_exporter.h"
#include "exporters/nop/nop_exporter.h"
#include "exporters/prometheus/exporter.h"
#include "extensions/health_check/health_check.h"
#include "processors/batch/batch_processor.h"
#include "processors/memory_limiter/memory_limiter.h"
#include "receivers/otlp/otlp_receiver.h"

namespace narthex::collector {
namespace {

constexpr pipeline::ReceiverFactory kReceivers[] = {receivers::kOtlpReceiver};
constexpr pipeline::ProcessorFactory kProcessors[] = {
    processors::kBatchProcessor,
    processors::kMemoryLimiter,
};
constexpr pipeline::ExporterFactory kExporters[] = {
    exporters::kDebugExporter,
    exporters::kNopExporter,
    exporters::kPrometheusExporter,
};
constexpr pipeline::ExtensionFactory kExtensions[] = {extensions::kHealthCheck};

}  // namespace

pipeline::Factories BuiltInFactories() {
  return {kReceivers, kProcessors, kExporters, kExtensions};
}

}  // namespace narthex::collector
