#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "tsdb/block/block.h"
#include "tsdb/block/block_writer.h"

namespace narthex::tsdb {

struct CompactOptions {
  std::string data_directory;
  Ulid ulid;  // Of the block to be written.
  uint64_t segment_bytes = kChunkSegmentBytes;
  uint16_t samples_per_chunk = 120;  // Of chunks that have to be encoded anew.
  size_t threads = 1;                // What is written does not depend on it.
  std::stop_token stop;              // Ends it early with kCancelled.
};

// Writes one block with all that is in `blocks` and not deleted; nullopt when nothing is left.
// The inputs stay: the caller deletes them once the new block is in use. Chunks are copied as they
// are but where they overlap or are partly deleted; at equal times the first block in the list
// wins. Needs memory for the new index (see IndexWriter), for 4 bytes a series and block, and for
// some 128 series per thread. Errors: kDataLoss for a damaged input,
// kUnimplemented where a chunk would have to be taken apart that we cannot decode, those of the
// disk; then there is no new block.
base::Result<std::optional<BlockMeta>> CompactBlocks(
    base::FileSystem& files, std::span<const std::shared_ptr<const Block>> blocks,
    const CompactOptions& options);

// The same of one block, for the sake of what is deleted in it: a new block of level 1, as after
// upstream's clean_tombstones.
base::Result<std::optional<BlockMeta>> CleanTombstones(base::FileSystem& files,
                                                       const std::shared_ptr<const Block>& block,
                                                       const CompactOptions& options);

}  // namespace narthex::tsdb
