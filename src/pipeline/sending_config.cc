#include "pipeline/sending_config.h"

namespace narthex::pipeline {
namespace {

using std::chrono::nanoseconds;

void ReadNonNegative(config::MapReader& reader, std::string_view key, nanoseconds& out) {
  int64_t ns = out.count();
  if (!reader.ReadGoDuration(key, ns)) return;
  if (ns < 0) return reader.Report(key, "must be non-negative");
  out = nanoseconds(ns);
}

void ReadSize(config::MapReader& reader, std::string_view key, size_t& out) {
  uint64_t size = out;
  if (!reader.Read(key, size)) return;
  if (size == 0) return reader.Report(key, "must be positive");
  out = size;
}

void ReadSizer(config::MapReader& reader, QueueConfig& config) {
  std::string sizer = "requests";
  reader.Read("sizer", sizer);
  if (sizer == "items") {
    config.sizer = QueueConfig::Sizer::kItems;
  } else if (sizer == "bytes") {
    config.sizer = QueueConfig::Sizer::kBytes;
  } else if (sizer != "requests") {
    reader.Report("sizer", "must be requests, items or bytes");
  }
}

void ReadStorage(config::MapReader& reader, const CreateContext& context, QueueConfig& config) {
  std::string text;
  if (!reader.Read("storage", text)) return;
  const auto id = ComponentId::Parse(text);
  Extension* extension = id.has_value() ? context.FindExtension(*id) : nullptr;
  config.storage = dynamic_cast<StorageExtension*>(extension);
  if (extension == nullptr) {
    reader.Report(
        "storage",
        fmt::format("references extension \"{}\" which is not in service::extensions", text));
  } else if (config.storage == nullptr) {
    reader.Report("storage", fmt::format("extension \"{}\" keeps no queues", text));
  }
}

QueueConfig::Batching ReadBatching(const config::Node& node, const CreateContext& context) {
  QueueConfig::Batching batching;
  std::string sizer = "items";
  uint64_t min_size = batching.min_size, max_size = 0;
  config::MapReader reader(node, context.diagnostics);
  ReadNonNegative(reader, "flush_timeout", batching.flush_timeout);
  reader.Read("min_size", min_size);
  reader.Read("max_size", max_size);
  reader.Read("sizer", sizer);
  if (reader.Take("partition") != nullptr) reader.Report("partition", "is not supported");
  reader.Finish();
  if (max_size > 0 && max_size < min_size) {
    reader.Report("max_size", "must be greater or equal to min_size");
  }
  if (sizer == "bytes") {
    batching.sizer = QueueConfig::Batching::Sizer::kBytes;
    if (max_size > 0) reader.Report("max_size", "needs the sizer items");
  } else if (sizer != "items") {
    reader.Report("sizer", "must be items or bytes");
  }
  batching.min_size = min_size;
  batching.max_size = max_size;
  return batching;
}

void ReadQueueConfig(const config::Node& node, const CreateContext& context, QueueConfig& config) {
  constexpr size_t kConsumersMax = 1'000;
  config::MapReader reader(node, context.diagnostics);
  reader.Read("enabled", config.is_enabled);
  ReadSize(reader, "num_consumers", config.consumers);
  if (config.consumers > kConsumersMax) reader.Report("num_consumers", "must not be over 1000");
  ReadSize(reader, "queue_size", config.size_max);
  ReadSizer(reader, config);
  reader.Read("block_on_overflow", config.block_on_overflow);
  reader.Read("wait_for_result", config.wait_for_result);
  ReadStorage(reader, context, config);
  if (const config::Node* batch = reader.Take("batch")) {
    config.batching = ReadBatching(*batch, context);
  }
  reader.Finish();
}

}  // namespace

void ReadRetryConfig(const config::Node& node, const CreateContext& context, RetryConfig& config) {
  config::MapReader reader(node, context.diagnostics);
  reader.Read("enabled", config.is_enabled);
  ReadNonNegative(reader, "initial_interval", config.initial_interval);
  reader.Read("multiplier", config.multiplier);
  reader.Read("randomization_factor", config.randomization_factor);
  ReadNonNegative(reader, "max_interval", config.max_interval);
  ReadNonNegative(reader, "max_elapsed_time", config.max_elapsed_time);
  reader.Finish();
  if (!(config.multiplier >= 0)) reader.Report("multiplier", "must be non-negative");
  if (!(config.randomization_factor >= 0 && config.randomization_factor <= 1)) {
    reader.Report("randomization_factor", "must be within [0, 1]");
  }
  if (config.max_elapsed_time.count() > 0 && config.max_elapsed_time < config.initial_interval) {
    reader.Report("max_elapsed_time", "must not be less than initial_interval");
  }
}

void ReadTimeoutAndRetry(config::MapReader& reader, const CreateContext& context,
                         SendingConfig& config) {
  ReadNonNegative(reader, "timeout", config.timeout);
  if (const config::Node* node = reader.Take("retry_on_failure")) {
    ReadRetryConfig(*node, context, config.retry);
  }
}

void ReadSendingConfig(config::MapReader& reader, const CreateContext& context,
                       SendingConfig& config) {
  ReadTimeoutAndRetry(reader, context, config);
  if (const config::Node* node = reader.Take("sending_queue")) {
    ReadQueueConfig(*node, context, config.queue);
  }
}

}  // namespace narthex::pipeline
