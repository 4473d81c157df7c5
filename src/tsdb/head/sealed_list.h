#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/sample.h"
#include "tsdb/head/head_chunks.h"
#include "tsdb/head/slab_pool.h"

namespace narthex::tsdb {

// A finished chunk: when, and where.
struct SealedChunk {
  model::TimeRange range;
  HeadChunks::Location location;
};

// The finished chunks of one series, oldest first, in some 6 bytes each: what a chunk has in common
// with the one before it is not said again. Bytes as a SlabPool keeps them, the length first.
std::vector<SealedChunk> DecodeSealed(std::string_view bytes);
// The number of chunks of a list from outside, whose bytes may be anything; nullopt where they are
// no list in time order.
std::optional<uint64_t> CheckSealed(std::string_view bytes);
// The buffer of a list in bytes that CheckSealed has passed, kNone for an empty one.
SlabPool::Handle CopySealed(SlabPool& pool, std::string_view bytes);
// The list in a buffer; empty for kNone.
std::string_view SealedBytes(const SlabPool& pool, SlabPool::Handle list);
// The buffer of the list with one more at its end, which replaces `list`.
SlabPool::Handle AppendSealed(SlabPool& pool, SlabPool::Handle list, const SealedChunk& chunk);
// The buffer of a list of these, kNone for none.
SlabPool::Handle EncodeSealed(SlabPool& pool, const std::vector<SealedChunk>& chunks);

}  // namespace narthex::tsdb
