#include "tsdb/block/block.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "chunk/series_encoder.h"
#include "storage/merge.h"

namespace narthex::tsdb {

using base::Code;
using model::Matcher;
using model::TimeRange;

namespace {

constexpr char kTombstonesFile[] = "tombstones";

bool Overlap(const ChunkMeta& chunk, TimeRange range) {
  return chunk.min <= range.max && range.min <= chunk.max;
}

// Chunks of one series do not overlap in a healthy block. Where the samples from `begin` on reach
// back, they are merged with those before, which win.
void RestoreOrder(model::SampleColumns& samples, size_t begin) {
  if (begin == 0 || begin == samples.size() || samples.t[begin - 1] < samples.t[begin]) return;
  model::SampleColumns tail;
  for (size_t i = begin; i < samples.size(); ++i) tail.AddFrom(samples, i);
  samples.t.resize(begin);
  samples.v.resize(begin);
  if (samples.HasHistograms()) samples.histograms.resize(begin);
  if (samples.HasStarts()) samples.starts.resize(begin);
  storage::MergeSamples(samples, tail);
}

}  // namespace

class BlockSeriesSet final : public storage::SeriesSet {
 public:
  struct Entry {
    IndexReader::Series series;
    const Intervals* deleted;  // May be null.
  };

  BlockSeriesSet(std::shared_ptr<const Block> block, std::shared_ptr<const Tombstones> tombstones,
                 std::vector<Entry> entries)
      : block_(std::move(block)),
        tombstones_(std::move(tombstones)),
        entries_(std::move(entries)) {}

  size_t size() const override { return entries_.size(); }
  model::Labels labels(size_t i) const override { return entries_[i].series.labels; }
  void ReadLabels(size_t i, model::Labels& out) const override { out = entries_[i].series.labels; }

  base::Status Read(size_t i, TimeRange range, model::SampleColumns& out) const override {
    out.clear();
    const auto& [series, deleted] = entries_[i];
    std::vector<ChunkMeta> wanted;
    for (const ChunkMeta& chunk : series.chunks) {
      if (Overlap(chunk, range)) wanted.push_back(chunk);
    }
    RETURN_IF_ERROR(block_->chunks_->Read(wanted, [&](size_t, RawChunk chunk) -> base::Status {
      const size_t begin = out.size();
      base::Status decoded = chunk::Decode(chunk.encoding, chunk.bytes, range, out);
      if (!decoded && decoded.error().code == Code::kUnimplemented) {
        ++block_->unread_chunks_;
        return {};
      }
      if (!decoded) return std::unexpected(std::move(decoded).error().In(block_->directory_));
      RestoreOrder(out, begin);
      return {};
    }));
    if (deleted != nullptr) deleted->RemoveFrom(out, 0);
    return {};
  }

 private:
  std::shared_ptr<const Block> block_;
  std::shared_ptr<const Tombstones> tombstones_;
  std::vector<Entry> entries_;
};

namespace {

class BlockQuerier final : public storage::Querier {
 public:
  BlockQuerier(std::shared_ptr<const Block> block, TimeRange range)
      : block_(std::move(block)), range_(range) {}

  base::Result<std::unique_ptr<storage::SeriesSet>> Select(
      const std::vector<Matcher>& matchers) override {
    return block_->Select(matchers, range_);
  }
  base::Result<std::vector<std::string>> LabelNames(const std::vector<Matcher>& matchers) override {
    return block_->LabelNames(matchers);
  }
  base::Result<std::vector<std::string>> LabelValues(
      std::string_view name, const std::vector<Matcher>& matchers) override {
    return block_->LabelValues(name, matchers);
  }

 private:
  std::shared_ptr<const Block> block_;
  const TimeRange range_;
};

}  // namespace

base::Result<std::shared_ptr<Block>> Block::Open(base::FileSystem& files, std::string directory) {
  std::shared_ptr<Block> block(new Block(files, std::move(directory)));
  const std::string& path = block->directory_;
  ASSIGN_OR_RETURN(BlockMeta meta, ReadBlockMeta(files, path));
  const auto& hints = meta.compaction.hints;
  block->is_late_ = std::ranges::find(hints, kHintOutOfOrder) != hints.end();
  ASSIGN_OR_RETURN(block->index_, IndexReader::Open(files, base::JoinPath(path, "index")));
  ASSIGN_OR_RETURN(block->chunks_, ChunkFiles::Open(files, base::JoinPath(path, "chunks")));
  const std::string tombstones_path = base::JoinPath(path, kTombstonesFile);
  auto tombstones = std::make_shared<Tombstones>();
  base::Result<std::string> bytes = base::ReadFile(files, tombstones_path);
  if (bytes) {
    auto decoded = Tombstones::Decode(*bytes);
    if (!decoded) return std::unexpected(std::move(decoded).error().In(path));
    *tombstones = *std::move(decoded);
  } else if (bytes.error().code != Code::kNotFound) {
    return std::unexpected(std::move(bytes).error());
  }
  block->CheckParts(meta);
  // meta.json is written after the tombstones: a crash may have come between.
  meta.stats.tombstones = tombstones->count();
  block->small_files_bytes_ = meta.ToJson().size() + (bytes ? bytes->size() : 0);
  base::MutexLock lock(block->mutex_);
  block->meta_ = std::move(meta);
  block->tombstones_ = std::move(tombstones);
  return block;
}

void Block::CheckParts(const BlockMeta& meta) {
  const size_t slash = directory_.find_last_of('/');
  const std::string_view name = std::string_view(directory_).substr(slash + 1);  // npos + 1 is 0.
  if (Ulid::Parse(name) && name != meta.ulid.ToString()) {
    doubts_.push_back(fmt::format("meta.json is that of block {}", meta.ulid.ToString()));
  }
  const auto series = index_->CountSeries();
  if (!series) {
    doubts_.push_back(series.error().message);
  } else if (meta.stats.series != 0 && *series != meta.stats.series) {
    doubts_.push_back(
        fmt::format("meta.json counts {} series, the index {}", meta.stats.series, *series));
  }
}

base::Result<std::unique_ptr<storage::SeriesSet>> Block::Select(
    const std::vector<Matcher>& matchers, TimeRange range) const {
  std::shared_ptr<const Tombstones> deleted = tombstones();
  ASSIGN_OR_RETURN(const std::vector<SeriesId> ids, index_->Select(matchers));
  std::vector<BlockSeriesSet::Entry> entries;
  for (const SeriesId id : ids) {
    ASSIGN_OR_RETURN(IndexReader::Series series, index_->ReadSeries(id));
    const Intervals* const intervals = deleted->Find(id);
    std::erase_if(series.chunks, [&](const ChunkMeta& chunk) {
      return !Overlap(chunk, range) ||
             (intervals != nullptr && intervals->Cover({chunk.min, chunk.max}));
    });
    if (!series.chunks.empty()) entries.push_back({std::move(series), intervals});
  }
  return std::make_unique<BlockSeriesSet>(shared_from_this(), std::move(deleted),
                                          std::move(entries));
}

base::Result<std::vector<std::string>> Block::LabelNames(
    const std::vector<Matcher>& matchers) const {
  if (matchers.empty()) return index_->LabelNames();
  ASSIGN_OR_RETURN(const std::vector<SeriesId> ids, index_->Select(matchers));
  std::set<std::string, std::less<>> names;
  for (const SeriesId id : ids) {
    ASSIGN_OR_RETURN(const IndexReader::Series series, index_->ReadSeries(id));
    for (const model::LabelView label : series.labels) {
      if (!names.contains(label.name)) names.emplace(label.name);
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

base::Result<std::vector<std::string>> Block::LabelValues(
    std::string_view name, const std::vector<Matcher>& matchers) const {
  if (matchers.empty()) return index_->LabelValues(name);
  ASSIGN_OR_RETURN(const std::vector<SeriesId> ids, index_->Select(matchers));
  std::set<std::string, std::less<>> values;
  for (const SeriesId id : ids) {
    ASSIGN_OR_RETURN(const IndexReader::Series series, index_->ReadSeries(id));
    const std::string_view value = series.labels.Get(name);
    if (!value.empty() && !values.contains(value)) values.emplace(value);
  }
  return std::vector<std::string>(values.begin(), values.end());
}

std::unique_ptr<storage::Querier> Block::OpenQuerier(TimeRange range) const {
  return std::make_unique<BlockQuerier>(shared_from_this(), range);
}

base::Result<uint64_t> Block::AddTombstones(const std::vector<Matcher>& matchers, TimeRange range) {
  auto changed = std::make_shared<Tombstones>(*tombstones());
  ASSIGN_OR_RETURN(const std::vector<SeriesId> ids, index_->Select(matchers));
  uint64_t concerned = 0;
  for (const SeriesId id : ids) {
    ASSIGN_OR_RETURN(const IndexReader::Series series, index_->ReadSeries(id));
    const bool any = std::ranges::any_of(
        series.chunks, [&](const ChunkMeta& chunk) { return Overlap(chunk, range); });
    if (!any) continue;
    // No wider than the series, so that intervals of later deletions can join.
    changed->Add(id, {std::max(range.min, series.chunks.front().min),
                      std::min(range.max, series.chunks.back().max)});
    ++concerned;
  }
  if (concerned == 0) return concerned;
  const std::string bytes = changed->Encode();
  RETURN_IF_ERROR(
      base::WriteFileAtomically(files_, base::JoinPath(directory_, kTombstonesFile), bytes));
  BlockMeta counted = meta();
  counted.stats.tombstones = changed->count();
  {
    base::MutexLock lock(mutex_);
    tombstones_ = std::move(changed);
    meta_ = counted;
  }
  small_files_bytes_ = counted.ToJson().size() + bytes.size();
  RETURN_IF_ERROR(WriteBlockMeta(files_, directory_, counted));
  return concerned;
}

base::Status Block::MarkCompactionFailed() {
  BlockMeta marked = meta();
  marked.compaction.failed = true;
  RETURN_IF_ERROR(WriteBlockMeta(files_, directory_, marked));
  base::MutexLock lock(mutex_);
  meta_ = std::move(marked);
  return {};
}

BlockMeta Block::meta() const {
  base::SharedLock lock(mutex_);
  return meta_;
}

std::shared_ptr<const Tombstones> Block::tombstones() const {
  base::SharedLock lock(mutex_);
  return tombstones_;
}

uint64_t Block::bytes() const { return index_->bytes() + chunks_->bytes() + small_files_bytes_; }

base::Result<std::vector<std::string>> ListBlocks(base::FileSystem& files,
                                                  const std::string& data_directory) {
  ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, files.List(data_directory));
  std::vector<std::string> blocks;
  for (const base::DirectoryEntry& entry : entries) {
    if (entry.is_directory && Ulid::Parse(entry.name)) {
      blocks.push_back(base::JoinPath(data_directory, entry.name));
    }
  }
  return blocks;
}

base::Status DeleteBlock(base::FileSystem& files, const std::string& directory) {
  const std::string doomed = directory + std::string(kDeletionSuffix);
  RETURN_IF_ERROR(base::RemoveAll(files, doomed));
  RETURN_IF_ERROR(files.Rename(directory, doomed));
  RETURN_IF_ERROR(files.SyncDirectory(base::ParentPath(directory)));
  return base::RemoveAll(files, doomed);
}

base::Status RemoveTemporaryBlocks(base::FileSystem& files, const std::string& data_directory) {
  ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, files.List(data_directory));
  for (const base::DirectoryEntry& entry : entries) {
    for (const std::string_view suffix : {kCreationSuffix, kDeletionSuffix}) {
      if (!entry.is_directory || !entry.name.ends_with(suffix)) continue;
      const std::string_view name =
          std::string_view(entry.name).substr(0, entry.name.size() - suffix.size());
      // Nothing but what a block writer names so: the folder is not ours alone.
      if (!Ulid::Parse(name)) continue;
      RETURN_IF_ERROR(base::RemoveAll(files, base::JoinPath(data_directory, entry.name)));
    }
  }
  return {};
}

}  // namespace narthex::tsdb
