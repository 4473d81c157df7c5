#include "exporters/prometheus/config.h"

#include "model/labels.h"

namespace narthex::exporters {
namespace {

void ReadConstLabels(config::MapReader& reader, PrometheusConfig& config) {
  const config::Node* labels =
      reader.Take("const_labels", "On every series but `target_info`", "map");
  if (labels == nullptr) return;
  if (!labels->is_map()) return reader.Report("const_labels", "must be a map");
  for (const auto& [key, value] : labels->members) {
    if (!model::IsLegacyLabelName(key.scalar)) {
      reader.Report("const_labels", fmt::format("\"{}\" is not a label name", key.scalar));
    }
    config.const_labels.emplace_back(key.scalar, value.scalar);
  }
}

}  // namespace

PrometheusConfig ReadPrometheusConfig(const pipeline::CreateContext& context) {
  PrometheusConfig config;
  int64_t expiration_ns = config.expiration.count();
  config::MapReader reader(context.config, context.diagnostics);
  context.WarnWithoutEffect(config::ReadHttpServer(reader, context.diagnostics, config.server));
  config.auth = pipeline::ReadAuth(reader, context);
  reader.Read("namespace", config.name_prefix, "In front of every name");
  ReadConstLabels(reader, config);
  reader.Read("send_timestamps", config.send_timestamps, "Points' times on the page");
  reader.ReadGoDuration("metric_expiration", expiration_ns,
                        "A series leaves this long after its last point came");
  config.resource_labels = translate::ReadResourceLabels(reader, context.diagnostics);
  reader.Read(
      "enable_open_metrics", config.enable_open_metrics,
      "OpenMetrics for those who ask for it, with the newest exemplar of each counter and bucket");
  reader.Read("without_scope_info", config.without_scope_info, "No `otel_scope_` labels");
  config.strategy = translate::ReadStrategy(reader);
  context.WarnWithoutEffect(reader.TakeWithoutEffect({"sending_queue"}));
  reader.Finish();
  if (config.server.endpoint.empty()) {
    reader.Report("endpoint",
                  "expecting a non-blank address to run the Prometheus metrics handler");
  }
  if (expiration_ns <= 0) reader.Report("metric_expiration", "must be greater than 0");
  config.expiration = std::chrono::nanoseconds(expiration_ns);
  return config;
}

}  // namespace narthex::exporters
