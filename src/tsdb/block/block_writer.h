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
// samples. One thread at a time, but for Prepare.
class BlockWriter {
 public:
  struct Options {
    Ulid ulid;
    uint64_t segment_bytes = kChunkSegmentBytes;
    size_t threads = 1;  // That make the postings. What is written does not depend on it.
  };
  // Series that follow one another, made ready for Append. One thread at a time.
  class Prepared {
   private:
    friend class BlockWriter;
    struct Chunk {
      chunk::Encoding encoding;
      model::Timestamp min;
      model::Timestamp max;
      uint32_t samples;
      uint32_t frame_bytes;
    };
    IndexWriter::Prepared labels_;
    std::string frames_;
    std::vector<Chunk> chunks_;
    std::vector<uint32_t> ends_;  // Of each series' chunks.
  };

  // `symbols`: every label name and value to come, sorted and unique; the texts have to outlive the
  // writer's Finish.
  static base::Result<std::unique_ptr<BlockWriter>> Create(base::FileSystem& files,
                                                           const std::string& data_directory,
                                                           const Options& options,
                                                           std::vector<std::string_view> symbols);
  // Without a successful Finish, removes what has been written.
  ~BlockWriter();

  // Series come in label order, the chunks of one in time order. Errors: those of IndexWriter and
  // of the disk; the block is lost with any. Prepare is thread-safe and does most of the work.
  base::Status Prepare(const model::Labels& labels, std::span<const EncodedChunk> chunks,
                       Prepared& into) const;
  base::Status Append(const Prepared& series);
  // Both, for one series.
  base::Status AddSeries(const model::Labels& labels, std::span<const EncodedChunk> chunks);

  // Writes what follows the series into the index; Finish does it where it was not called.
  base::Status FinishIndex();
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
  bool index_finished_ = false;
  bool finished_ = false;
};

}  // namespace narthex::tsdb
