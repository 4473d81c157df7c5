#include "exporters/prometheus/config.h"

#include "model/labels.h"

namespace narthex::exporters {
namespace {

void ReadConstLabels(config::MapReader& reader, PrometheusConfig& config) {
  const config::Node* labels = reader.Take("const_labels");
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
  std::vector<std::string_view> without_effect;
  config::MapReader reader(context.config, context.diagnostics);
  config::ReadHttpServer(reader, context.diagnostics, config.server, without_effect);
  config.auth = pipeline::ReadAuth(reader, context);
  reader.Read("namespace", config.name_prefix);
  ReadConstLabels(reader, config);
  reader.Read("send_timestamps", config.send_timestamps);
  reader.ReadGoDuration("metric_expiration", expiration_ns);
  config.resource_labels = translate::ReadResourceLabels(reader, context.diagnostics);
  reader.Read("enable_open_metrics", config.enable_open_metrics);
  reader.Read("without_scope_info", config.without_scope_info);
  config.strategy = translate::ReadStrategy(reader);
  if (reader.Take("sending_queue") != nullptr) without_effect.push_back("sending_queue");
  for (const std::string_view key : without_effect) {
    context.host.logger.Warn("prometheus", "configuration key has no effect", {{"key", key}});
  }
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
