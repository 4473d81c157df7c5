#pragma once

#include <optional>
#include <string>

#include "pipeline/factory.h"

namespace narthex::pipeline {

// What an exporter's queue counts: the official collector's numbers and, of metrics, the books.
// Thread-safe.
class ExportBooks {
 public:
  // `name`: the exporter's id.
  ExportBooks(Host& host, const std::string& name, Signal signal);

  void Came(size_t items);
  // The change of what waits.
  void Waiting(int64_t items);
  void QueueSize(int64_t change) { queue_size_.Add(change); }
  void QueueCapacity(size_t size) { queue_capacity_.Add(static_cast<int64_t>(size)); }
  void NotQueued(size_t items) { enqueue_failed_.Add(items); }
  void Sent(size_t items);
  // `reason`: as Flow's.
  void Lost(std::string_view reason, size_t items);

 private:
  std::optional<Flow> flow_;  // Of metrics.
  sdk::BoundCounter<uint64_t> sent_;
  sdk::BoundCounter<uint64_t> send_failed_;
  sdk::BoundCounter<uint64_t> enqueue_failed_;
  sdk::BoundUpDownCounter<int64_t> queue_size_;
  sdk::BoundUpDownCounter<int64_t> queue_capacity_;
};

}  // namespace narthex::pipeline
