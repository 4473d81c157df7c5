#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "pipeline/factory.h"
#include "pipeline/queue_log.h"

namespace narthex::pipeline {

// The blocks that every exporter that pushes has in its configuration. Values.
// Source: OpenTelemetry Collector, exporterhelper.

// `retry_on_failure`.
struct RetryConfig {
  bool is_enabled = true;
  std::chrono::nanoseconds initial_interval{std::chrono::seconds(5)};
  double multiplier = 1.5;
  double randomization_factor = 0.5;  // Every delay is off by up to this share, either way.
  std::chrono::nanoseconds max_interval{std::chrono::seconds(30)};
  std::chrono::nanoseconds max_elapsed_time{std::chrono::seconds(300)};  // 0: no end.
};

// `sending_queue`.
struct QueueConfig {
  enum class Sizer { kRequests, kItems, kBytes };
  bool is_enabled = true;
  size_t consumers = 10;
  size_t size_max = 1000;  // In the sizer's unit.
  Sizer sizer = Sizer::kRequests;
  bool block_on_overflow = false;       // Instead of a refusal.
  bool wait_for_result = false;         // The sender learns what became of its data.
  StorageExtension* storage = nullptr;  // Keeps the queue on disk; null: in memory.

  // `batch`: joins requests before they are sent.
  struct Batching {
    enum class Sizer { kItems, kBytes };
    std::chrono::nanoseconds flush_timeout{std::chrono::milliseconds(200)};
    size_t min_size = 8192;  // What is enough to be sent, in the sizer's unit.
    size_t max_size = 0;     // Larger ones are cut; only for points; 0: no limit.
    Sizer sizer = Sizer::kItems;
    otlp::MetadataKeys partition;  // Requests of clients that differ in these are not joined.
  };
  std::optional<Batching> batching;
};

struct SendingConfig {
  std::chrono::nanoseconds timeout{std::chrono::seconds(5)};  // Of one attempt.
  RetryConfig retry;
  QueueConfig queue;
};

// Reads `timeout`, `retry_on_failure` and `sending_queue`. `config` holds the exporter's defaults.
void ReadSendingConfig(config::MapReader& reader, const CreateContext& context,
                       SendingConfig& config);
// The parts, for exporters that call them otherwise.
void ReadTimeoutAndRetry(config::MapReader& reader, const CreateContext& context,
                         SendingConfig& config);
void ReadRetryConfig(const config::Node& node, const CreateContext& context, RetryConfig& config);

}  // namespace narthex::pipeline
