#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/result.h"
#include "model/sample.h"
#include "storage/storage.h"
#include "tsdb/block/chunk_files.h"
#include "tsdb/block/meta.h"
#include "tsdb/block/tombstones.h"
#include "tsdb/index/index_reader.h"

namespace narthex::tsdb {

// Behind a block's name while it comes or goes. Such directories are removed at start.
inline constexpr std::string_view kCreationSuffix = ".tmp-for-creation";
inline constexpr std::string_view kDeletionSuffix = ".tmp-for-deletion";

// A block on disk: samples of a stretch of time, index included. Thread-safe; immutable but for
// its tombstones. Series sets and queriers keep their block alive, also when it has been deleted.
// docs/format/block.md.
class Block final : public std::enable_shared_from_this<Block> {
 public:
  // `directory` is the block's own. Errors: kDataLoss for a damaged part, those of the disk.
  static base::Result<std::shared_ptr<Block>> Open(base::FileSystem& files, std::string directory);

  // Series that match all and have a chunk in `range` that is not wholly deleted. A damaged chunk
  // is an error of the Read that needs it; one of an encoding that we do not decode is passed over
  // and counted.
  base::Result<std::unique_ptr<storage::SeriesSet>> Select(
      const std::vector<model::Matcher>& matchers, model::TimeRange range) const;
  // Sorted, of the series that match all (every series when there is no matcher).
  base::Result<std::vector<std::string>> LabelNames(
      const std::vector<model::Matcher>& matchers) const;
  base::Result<std::vector<std::string>> LabelValues(
      std::string_view name, const std::vector<model::Matcher>& matchers) const;
  std::unique_ptr<storage::Querier> OpenQuerier(model::TimeRange range) const;

  // Deletes `range` of the series that match all, by way of the tombstones file; the number of
  // series concerned. One thread at a time. After an error readers see what they saw before.
  base::Result<uint64_t> AddTombstones(const std::vector<model::Matcher>& matchers,
                                       model::TimeRange range);

  // Notes in meta.json that compacting this block failed, so that it is not planned again. One
  // thread at a time.
  base::Status MarkCompactionFailed();

  // Reasons to doubt that the parts belong together, found at open without reading through them:
  // the folder, meta.json and the index do not agree. The block is read all the same.
  const std::vector<std::string>& doubts() const { return doubts_; }

  BlockMeta meta() const EXCLUDES_LOCK(mutex_);
  // Made of samples that came out of order.
  bool is_late() const { return is_late_; }
  std::shared_ptr<const Tombstones> tombstones() const EXCLUDES_LOCK(mutex_);
  const IndexReader& index() const { return *index_; }
  const ChunkFiles& chunks() const { return *chunks_; }
  const std::string& directory() const { return directory_; }
  uint64_t bytes() const;  // On disk.
  // Chunks passed over by reads because of their encoding.
  uint64_t unread_chunks() const { return unread_chunks_; }

 private:
  friend class BlockSeriesSet;

  Block(base::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  base::FileSystem& files_;
  const std::string directory_;
  void CheckParts(const BlockMeta& meta);

  bool is_late_ = false;
  std::vector<std::string> doubts_;
  std::unique_ptr<IndexReader> index_;
  std::unique_ptr<ChunkFiles> chunks_;
  std::atomic<uint64_t> small_files_bytes_{0};  // meta.json and tombstones.
  mutable std::atomic<uint64_t> unread_chunks_{0};

  mutable base::Mutex mutex_;
  BlockMeta meta_ GUARDED_BY(mutex_);
  std::shared_ptr<const Tombstones> tombstones_ GUARDED_BY(mutex_);
};

// The directories of whole blocks in a data directory, by name and so by age.
base::Result<std::vector<std::string>> ListBlocks(base::FileSystem& files,
                                                  const std::string& data_directory);
// Out of sight at once, even if a crash keeps the rest from being removed.
base::Status DeleteBlock(base::FileSystem& files, const std::string& directory);
// Removes blocks that a crash left half written or half deleted.
base::Status RemoveTemporaryBlocks(base::FileSystem& files, const std::string& data_directory);

}  // namespace narthex::tsdb
