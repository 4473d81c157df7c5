#include "collector/components.h"

#include "exporters/debug/debug_exporter.h"
#include "exporters/nop/nop_exporter.h"
#include "exporters/otlp_grpc/otlp_grpc_exporter.h"
#include "exporters/otlp_http/otlp_http_exporter.h"
#include "exporters/prometheus/exporter.h"
#include "extensions/health_check/health_check.h"
#include "processors/attributes/attributes_processor.h"
#include "processors/batch/batch_processor.h"
#include "processors/filter/filter_processor.h"
#include "processors/memory_limiter/memory_limiter.h"
#include "processors/resource/resource_processor.h"
#include "receivers/otlp/otlp_receiver.h"

namespace narthex::collector {
namespace {

constexpr pipeline::ReceiverFactory kReceivers[] = {receivers::kOtlpReceiver};
constexpr pipeline::ProcessorFactory kProcessors[] = {
    processors::kAttributesProcessor, processors::kBatchProcessor,    processors::kFilterProcessor,
    processors::kMemoryLimiter,       processors::kResourceProcessor,
};
constexpr pipeline::ExporterFactory kExporters[] = {
    exporters::kDebugExporter,    exporters::kNopExporter,        exporters::kOtlpGrpcExporter,
    exporters::kOtlpHttpExporter, exporters::kPrometheusExporter,
};
constexpr pipeline::ExtensionFactory kExtensions[] = {extensions::kHealthCheck};

}  // namespace

pipeline::Factories BuiltInFactories() {
  return {kReceivers, kProcessors, kExporters, kExtensions};
}

}  // namespace narthex::collector
