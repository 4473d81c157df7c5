#include "pipeline/sending_config.h"

#include "pipeline/metadata_keys.h"

namespace narthex::pipeline {
namespace {

using std::chrono::nanoseconds;

void ReadNonNegative(config::MapReader& reader, std::string_view key, nanoseconds& out,
                     std::string_view meaning) {
  int64_t ns = out.count();
  if (!reader.ReadGoDuration(key, ns, meaning)) return;
  if (ns < 0) return reader.Report(key, "must be non-negative");
  out = nanoseconds(ns);
}

void ReadSize(config::MapReader& reader, std::string_view key, size_t& out,
              std::string_view meaning) {
  uint64_t size = out;
  if (!reader.Read(key, size, meaning)) return;
  if (size == 0) return reader.Report(key, "must be positive");
  out = size;
}

void ReadSizer(config::MapReader& reader, QueueConfig& config) {
  std::string sizer = "requests";
  reader.Read("sizer", sizer,
              "What is counted: `requests`, `items` (data points) or `bytes` (memory held)");
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
  if (!reader.Read("storage", text,
                   "The id of an extension that keeps the queue on disk (`file_storage`)"))
    return;
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
  ReadNonNegative(reader, "flush_timeout", batching.flush_timeout,
                  "A batch goes when its first request has waited this long");
  reader.Read("min_size", min_size, "What is enough to be sent, in the unit of `sizer`");
  reader.Read("max_size", max_size, "Larger ones are cut; `0`: never");
  reader.Read("sizer", sizer,
              "`items` (data points), or `bytes` (memory held; not with `max_size`)");
  if (const config::Node* partition = reader.Take("partition", "What is not joined")) {
    config::MapReader inner(*partition, context.diagnostics);
    batching.partition = ReadMetadataKeys(
        inner, "metadata_keys", "Requests of clients that differ in these, which the joined keep");
    inner.Finish();
  }
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
  const config::KeyGroup group(reader, "Sending queue");
  reader.Read("enabled", config.is_enabled, "Without a queue, senders wait for the server");
  ReadSize(reader, "num_consumers", config.consumers, "Requests under way at once, at most 1000");
  if (config.consumers > kConsumersMax) reader.Report("num_consumers", "must not be over 1000");
  ReadSize(reader, "queue_size", config.size_max, "In the unit of `sizer`");
  ReadSizer(reader, config);
  reader.Read("block_on_overflow", config.block_on_overflow,
              "Senders wait for room instead of being refused");
  reader.Read("wait_for_result", config.wait_for_result, "Senders learn what became of their data");
  ReadStorage(reader, context, config);
  if (const config::Node* batch = reader.Take("batch", "Joins requests before they are sent")) {
    config.batching = ReadBatching(*batch, context);
  }
  reader.Finish();
}

}  // namespace

void ReadRetryConfig(const config::Node& node, const CreateContext& context, RetryConfig& config) {
  config::MapReader reader(node, context.diagnostics);
  const config::KeyGroup group(reader, "Retries");
  reader.Read("enabled", config.is_enabled, "Without it, one attempt");
  ReadNonNegative(reader, "initial_interval", config.initial_interval, "The first pause");
  reader.Read("multiplier", config.multiplier, "Each pause against the one before");
  reader.Read("randomization_factor", config.randomization_factor,
              "A pause is off by up to this share, either way; within 0 and 1");
  ReadNonNegative(reader, "max_interval", config.max_interval,
                  "The longest pause, but for what the server asks for");
  ReadNonNegative(reader, "max_elapsed_time", config.max_elapsed_time,
                  "Then the data is dropped; `0s`: never");
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
  ReadNonNegative(reader, "timeout", config.timeout, "Of one attempt");
  if (const config::Node* node =
          reader.Take("retry_on_failure", "Tries again what the server calls retryable")) {
    ReadRetryConfig(*node, context, config.retry);
  }
}

void ReadSendingConfig(config::MapReader& reader, const CreateContext& context,
                       SendingConfig& config) {
  ReadTimeoutAndRetry(reader, context, config);
  if (const config::Node* node = reader.Take("sending_queue", "In front of the sender")) {
    ReadQueueConfig(*node, context, config.queue);
  }
}

}  // namespace narthex::pipeline
