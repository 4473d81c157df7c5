#include "collector/components.h"

#include "connectors/forward/forward_connector.h"
#include "connectors/routing/routing_connector.h"
#include "connectors/spanmetrics/spanmetrics_connector.h"
#include "exporters/debug/debug_exporter.h"
#include "exporters/file/file_exporter.h"
#include "exporters/loadbalancing/load_balancing_exporter.h"
#include "exporters/nop/nop_exporter.h"
#include "exporters/otlp_grpc/otlp_grpc_exporter.h"
#include "exporters/otlp_http/otlp_http_exporter.h"
#include "exporters/prometheus/exporter.h"
#include "exporters/prometheusremotewrite/exporter.h"
#include "extensions/basicauth/basicauth.h"
#include "extensions/bearertokenauth/bearertokenauth.h"
#include "extensions/file_storage/file_storage.h"
#include "extensions/headers_setter/headers_setter.h"
#include "extensions/health_check/health_check.h"
#include "extensions/oauth2client/oauth2client.h"
#include "extensions/pprof/pprof.h"
#include "extensions/zpages/zpages.h"
#include "processors/attributes/attributes_processor.h"
#include "processors/batch/batch_processor.h"
#include "processors/cumulativetodelta/cumulativetodelta_processor.h"
#include "processors/deltatocumulative/deltatocumulative_processor.h"
#include "processors/filter/filter_processor.h"
#include "processors/groupbyattrs/groupbyattrs_processor.h"
#include "processors/interval/interval_processor.h"
#include "processors/memory_limiter/memory_limiter.h"
#include "processors/metricstarttime/metricstarttime_processor.h"
#include "processors/metricstransform/metricstransform_processor.h"
#include "processors/resource/resource_processor.h"
#include "processors/resourcedetection/resourcedetection_processor.h"
#include "processors/transform/transform_processor.h"
#include "receivers/hostmetrics/hostmetrics_receiver.h"
#include "receivers/influxdb/influxdb_receiver.h"
#include "receivers/otlp/otlp_receiver.h"
#include "receivers/prometheus/prometheus_receiver.h"
#include "receivers/statsd/statsd_receiver.h"

namespace narthex::collector {
namespace {

constexpr pipeline::ReceiverFactory kReceivers[] = {
    receivers::kHostMetricsReceiver, receivers::kInfluxDbReceiver, receivers::kOtlpReceiver,
    receivers::kPrometheusReceiver,  receivers::kStatsdReceiver,
};
constexpr pipeline::ProcessorFactory kProcessors[] = {
    processors::kAttributesProcessor,
    processors::kBatchProcessor,
    processors::kCumulativeToDeltaProcessor,
    processors::kDeltaToCumulativeProcessor,
    processors::kFilterProcessor,
    processors::kGroupByAttrsProcessor,
    processors::kIntervalProcessor,
    processors::kMemoryLimiter,
    processors::kMetricStartTimeProcessor,
    processors::kMetricsTransformProcessor,
    processors::kResourceProcessor,
    processors::kResourceDetectionProcessor,
    processors::kTransformProcessor,
};
// Components know nothing of one another: what one is made of, it is given here.
constexpr pipeline::ExporterFactory kLoadBalancingExporter = {
    "loadbalancing", "load_balancing", [](const pipeline::CreateContext& context) {
      return exporters::LoadBalancingExporter::Create(context, exporters::kOtlpGrpcExporter);
    }};
constexpr pipeline::ExporterFactory kExporters[] = {
    exporters::kDebugExporter,      exporters::kFileExporter,        kLoadBalancingExporter,
    exporters::kNopExporter,        exporters::kOtlpGrpcExporter,    exporters::kOtlpHttpExporter,
    exporters::kPrometheusExporter, exporters::kRemoteWriteExporter,
};
constexpr pipeline::ConnectorFactory kConnectors[] = {
    connectors::kForwardConnector,
    connectors::kRoutingConnector,
    connectors::kSpanMetricsConnector,
};
constexpr pipeline::ExtensionFactory kExtensions[] = {
    extensions::kBasicAuth,     extensions::kBearerTokenAuth, extensions::kFileStorage,
    extensions::kHeadersSetter, extensions::kHealthCheck,     extensions::kOAuth2Client,
    extensions::kPprof,         extensions::kZPages,
};

}  // namespace

pipeline::Factories BuiltInFactories() {
  return {kReceivers, kProcessors, kExporters, kExtensions, kConnectors};
}

}  // namespace narthex::collector
