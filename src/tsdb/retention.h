#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/sample.h"

namespace narthex::tsdb {

// How much a database keeps; 0 is no limit. What is past any of them goes, in whole blocks.
// Source: Prometheus, configuration, storage.tsdb.retention.
struct Retention {
  int64_t time_ms = 0;    // Behind the end of the newest block.
  uint64_t bytes = 0;     // Of blocks and logs.
  double percentage = 0;  // Of the size of the file system, in place of `bytes`.
};

struct StoredBlock {
  model::Timestamp max_time;  // Its end, which does not belong to it.
  uint64_t bytes;
};

// Indexes of blocks that are past a limit.
struct Expired {
  std::vector<size_t> by_time;
  std::vector<size_t> by_size;  // The oldest first to go; none that is in by_time.
};

// `blocks` by time, the oldest first. `log_bytes` count against the size and are never dropped.
Expired FindExpired(std::span<const StoredBlock> blocks, uint64_t log_bytes, uint64_t disk_bytes,
                    const Retention& retention);

}  // namespace narthex::tsdb
