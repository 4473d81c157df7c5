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
  // Keeping in memory what was meant to outlive the process would be worse than not starting.
  if (reader.Take("storage") != nullptr) {
    reader.Report("storage", "is not supported: the queue is held in memory");
  }
  if (reader.Take("batch") != nullptr) {
    context.host.logger.Warn(
        "exporter", "configuration key has no effect",
        {{"exporter", context.id.ToString()}, {"key", "sending_queue::batch"}});
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

void ReadSendingConfig(config::MapReader& reader, const CreateContext& context,
                       SendingConfig& config) {
  ReadNonNegative(reader, "timeout", config.timeout);
  if (const config::Node* node = reader.Take("retry_on_failure")) {
    ReadRetryConfig(*node, context, config.retry);
  }
  if (const config::Node* node = reader.Take("sending_queue")) {
    ReadQueueConfig(*node, context, config.queue);
  }
}

}  // namespace narthex::pipeline
