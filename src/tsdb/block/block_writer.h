#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/block/chunk_files.h"
#include "tsdb/block/meta.h"
#include "tsdb/index/index_writer.h"

namespace narthex::tsdb {

// A chunk on its way into a block. A view.
struct EncodedChunk {
  chunk::Encoding encoding = chunk::Encoding::kXor;
  model::Timestamp min = 0;
  model::Timestamp max = 0;  // Included.
  uint32_t samples = 0;
  std::string_view bytes;
};

// Writes one block into `<ULID>.tmp-for-creation`, which Finish turns into `<ULID>`: a reader sees
// all of it or nothing, also after a crash. Needs memory for the index (see IndexWriter), not for
// samples. One thread at a time.
class BlockWriter {
 public:
  struct Options {
    Ulid ulid;
    uint64_t segment_bytes = kChunkSegmentBytes;
  };

  // `symbols`: every label name and value to come, sorted and unique.
  static base::Result<std::unique_ptr<BlockWriter>> Create(base::FileSystem& files,
                                                           const std::string& data_directory,
                                                           const Options& options,
                                                           std::vector<std::string> symbols);
  // Without a successful Finish, removes what has been written.
  ~BlockWriter();

  // Series come in label order, the chunks of one in time order. Errors: those of IndexWriter and
  // of the disk; the block is lost with any.
  base::Status AddSeries(const model::Labels& labels, std::span<const EncodedChunk> chunks);

  // Makes the block durable and visible. Of `meta`, the caller gives time range and compaction;
  // name and statistics are filled in, and no sources mean the block itself. The result is what
  // was written.
  base::Result<BlockMeta> Finish(BlockMeta meta);

  const BlockStats& stats() const { return stats_; }

 private:
  BlockWriter(base::FileSystem& files, const std::string& data_directory, const Options& options);

  base::Status WriteFiles(const BlockMeta& meta);

  base::FileSystem& files_;
  const std::string data_directory_;
  const Ulid ulid_;
  const std::string temporary_;
  ChunkWriter chunks_;
  std::unique_ptr<IndexWriter> index_;
  BlockStats stats_;
  std::vector<ChunkMeta> metas_;
  bool finished_ = false;
};

}  // namespace narthex::tsdb
