#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "wal/reader.h"
#include "wal/records.h"
#include "wal/writer.h"

namespace narthex::wal {

// What of a log is still needed once blocks hold its older part.
struct CheckpointPlan {
  uint32_t last_segment = 0;  // Everything up to this one is replaced.
  std::function<bool(Ref)> keep_series;
  model::Timestamp mint = 0;  // Older samples are left out,
  // and deletions that end before this: the time from which on a start reads samples again.
  model::Timestamp deletions_mint = 0;
};

struct CheckpointResult {
  uint64_t series_kept = 0;
  uint64_t series_dropped = 0;
  uint64_t samples_kept = 0;
  uint64_t samples_dropped = 0;
};

// Writes checkpoint.<last_segment> from the checkpoint before it and the segments up to
// `last_segment`. It is complete and durable before it gets its name. Records of types that are not
// read here are copied as they are.
// Source: Prometheus, tsdb/wlog, Checkpoint.
base::Result<CheckpointResult> WriteCheckpoint(base::FileSystem& files,
                                               const std::string& directory,
                                               const CheckpointPlan& plan, Writer::Options options,
                                               const std::function<void(const Damage&)>& on_damage);

// Removes what the newest checkpoint replaces: segments up to its number, and checkpoints before
// it. Leftovers of a crash are removed too. Works any number of times.
base::Status RemoveReplaced(base::FileSystem& files, const std::string& directory);

}  // namespace narthex::wal
