#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/random.h"
#include "storage/storage.h"
#include "tsdb/block/block.h"
#include "tsdb/block/block_writer.h"

namespace narthex::tsdb {

// What a block holds, as plain maps.
using Content = std::map<model::Labels, std::map<model::Timestamp, double>>;

struct WriteBlockOptions {
  Ulid ulid;
  uint32_t samples_per_chunk = 120;
  uint64_t segment_bytes = kChunkSegmentBytes;
  BlockMeta meta;  // A range of 0 … 0 becomes that of the samples.
};

// The block `<data>/<ULID>` with this content, in XOR chunks.
base::Result<BlockMeta> WriteBlock(base::FileSystem& files, const std::string& data_directory,
                                   const Content& content, WriteBlockOptions options);

// Every series with its samples. Error: that of a Read.
base::Result<Content> ReadAll(const storage::SeriesSet& set, model::TimeRange range = {});

// One line a sample, values as bits: equal text, equal content.
std::string Text(const Content& content);

// `series` series of a handful of metrics with labels, some without a label that others have; up to
// `samples` samples each, from `begin` on at gaps of a few seconds. Special values are among them.
Content RandomContent(base::Random& random, int series, int samples, model::Timestamp begin);

}  // namespace narthex::tsdb
