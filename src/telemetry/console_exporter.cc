#include "telemetry/console_exporter.h"

#include "otlp/decode.h"
#include "otlp/json.h"
#include "telemetry/encode.h"

namespace narthex::telemetry {

base::Status ConsoleExporter::Export(const sdk::MetricBatch& batch, std::chrono::milliseconds) {
  ASSIGN_OR_RETURN(const otlp::Batch indexed, otlp::DecodeMetrics(EncodeOtlp(batch)));
  write_(otlp::EncodeMetricsJson(indexed) + '\n');
  return {};
}

}  // namespace narthex::telemetry
