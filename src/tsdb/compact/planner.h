#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tsdb/block/meta.h"

namespace narthex::tsdb {

// Which blocks to compact next: pure functions over what meta.json says.
// Source: Prometheus, tsdb/compact.go, described in docs/format/block.md.

// `min_ms`, then three times as much as the one before, up to the last one within `max_ms`; at
// least one. What blocks grow to, step by step.
std::vector<int64_t> BlockRanges(int64_t min_ms, int64_t max_ms);

// The blocks to make one of, as indices into `blocks`, in order of their time; empty when there is
// nothing to do. One index alone means: rewrite it without what is deleted in it.
//  1. Blocks that overlap each other.
//  2. Blocks that lie in one aligned window of `ranges[1]`, else of `ranges[2]` and so on, once
//  they
//     fill it or a later block shows that nothing more will come.
//  3. A block of which more than a twentieth of the series are deleted.
// The newest block stands aside for 2 and 3. Blocks whose compaction failed are left alone.
std::vector<size_t> PlanCompaction(std::span<const BlockMeta> blocks,
                                   std::span<const int64_t> ranges);

}  // namespace narthex::tsdb
