#include "exporters/prometheusremotewrite/config.h"

#include "model/labels.h"

namespace narthex::exporters {
namespace {

void ReadExternalLabels(config::MapReader& reader, RemoteWriteConfig& config) {
  const config::Node* labels = reader.Take("external_labels", "On every series", "map");
  if (labels == nullptr) return;
  if (!labels->is_map()) return reader.Report("external_labels", "must be a map");
  for (const auto& [key, value] : labels->members) {
    if (key.scalar.empty() || value.scalar.empty()) {
      reader.Report("external_labels", "external labels need a name and a value");
    }
    config.external_labels.emplace_back(key.scalar, value.scalar);
  }
}

void ReadQueue(config::MapReader& reader, const pipeline::CreateContext& context,
               RemoteWriteConfig& config) {
  config.sending.queue.size_max = 10'000;
  // One sender: it keeps the order of every series, which receivers insist on.
  config.sending.queue.consumers = 1;
  const config::Node* node = reader.Take("remote_write_queue", "The queue in front");
  if (node == nullptr) return;
  uint64_t size = config.sending.queue.size_max, consumers = 5;
  config::MapReader queue(*node, context.diagnostics);
  queue.Read("enabled", config.sending.queue.is_enabled, "Without it, senders wait for the server");
  queue.Read("queue_size", size, "In requests");
  if (queue.Read("num_consumers", consumers,
                 "One sender keeps the order of every series, so more are not used") &&
      consumers > 1) {
    context.host.logger.Warn("exporter", "one sender keeps the order of series; more are not used",
                             {{"exporter", context.id.ToString()}});
  }
  queue.Finish();
  if (size == 0) queue.Report("queue_size", "must be positive");
  if (consumers == 0) queue.Report("num_consumers", "must be positive");
  config.sending.queue.size_max = std::max<uint64_t>(size, 1);
}

void ReadMessage(config::MapReader& reader, RemoteWriteConfig& config) {
  std::string message = "prometheus.WriteRequest";
  reader.Read("protobuf_message", message, "Or `io.prometheus.write.v2.Request`");
  if (message == "io.prometheus.write.v2.Request") {
    config.is_version_2 = true;
  } else if (message != "prometheus.WriteRequest") {
    reader.Report("protobuf_message",
                  "must be prometheus.WriteRequest or io.prometheus.write.v2.Request");
  }
}

}  // namespace

RemoteWriteConfig ReadRemoteWriteConfig(const pipeline::CreateContext& context) {
  RemoteWriteConfig config;
  config.sending.retry.initial_interval = std::chrono::milliseconds(50);
  config.client.compression = "snappy";
  uint64_t bytes_max = config.batch_bytes_max;
  bool without_scope_info = false;
  config::MapReader reader(context.config, context.diagnostics);
  pipeline::ReadClientConfig(reader, context, {"snappy"}, config.client);
  pipeline::ReadTimeoutAndRetry(reader, context, config.sending);
  ReadQueue(reader, context, config);
  reader.Read("namespace", config.name_prefix, "In front of every name");
  ReadExternalLabels(reader, config);
  config.resource_labels = translate::ReadResourceLabels(reader, context.diagnostics);
  config.strategy = translate::ReadStrategy(reader);
  reader.Read("disable_scope_info", without_scope_info, "No `otel_scope_` labels");
  config.with_scope_info = !without_scope_info;
  reader.Read("send_metadata", config.with_metadata,
              "Types and help, in version 1; version 2 always has them");
  reader.Read("max_batch_size_bytes", bytes_max,
              "Messages are cut at this size, before compression");
  if (const config::Node* node =
          reader.Take("target_info", "A series with the other attributes of each resource")) {
    config::MapReader target(*node, context.diagnostics);
    target.Read("enabled", config.with_target_info, "Whether it is sent");
    target.Finish();
  }
  ReadMessage(reader, config);
  reader.Refuse({"wal", "convert_explicit_histograms_to_nhcb", "keep_classic_histograms",
                 "include_metadata_keys"},
                "is not supported by this exporter");
  context.WarnWithoutEffect(
      reader.TakeWithoutEffect({"max_batch_request_parallelism", "export_created_metric"}));
  reader.Finish();
  if (!config.client.endpoint.starts_with("http://") &&
      !config.client.endpoint.starts_with("https://")) {
    reader.Report("endpoint", "must be a URL of http or https");
  }
  if (bytes_max == 0) reader.Report("max_batch_size_bytes", "must be greater than 0");
  config.batch_bytes_max = bytes_max;
  return config;
}

}  // namespace narthex::exporters
