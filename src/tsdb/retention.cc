#include "tsdb/retention.h"

#include <algorithm>

namespace narthex::tsdb {

Expired FindExpired(std::span<const StoredBlock> blocks, uint64_t log_bytes, uint64_t disk_bytes,
                    const Retention& retention) {
  Expired expired;
  model::Timestamp newest = model::kTimestampMin;
  for (const StoredBlock& block : blocks) newest = std::max(newest, block.max_time);
  const uint64_t bytes_max =
      retention.percentage > 0
          ? static_cast<uint64_t>(static_cast<double>(disk_bytes) * retention.percentage / 100)
          : retention.bytes;
  uint64_t kept = log_bytes;
  for (size_t i = blocks.size(); i-- > 0;) {
    if (retention.time_ms > 0 && newest - blocks[i].max_time >= retention.time_ms) {
      expired.by_time.push_back(i);
      continue;
    }
    kept += blocks[i].bytes;
    if (bytes_max > 0 && kept > bytes_max) expired.by_size.push_back(i);
  }
  return expired;
}

}  // namespace narthex::tsdb
