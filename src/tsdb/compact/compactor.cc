#include "tsdb/compact/compactor.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <queue>
#include <tuple>

#include "base/check.h"
#include "chunk/series_encoder.h"
#include "tsdb/ordered_work.h"

namespace narthex::tsdb {

using base::Code;
using base::Fail;
using model::TimeRange;

namespace {

// Walks the series of one block in label order.
class Cursor {
 public:
  explicit Cursor(std::shared_ptr<const Block> block)
      : block_(std::move(block)), tombstones_(block_->tombstones()) {}

  base::Status Open() {
    ASSIGN_OR_RETURN(ids_, block_->index().Select({}));
    return {};
  }
  // False at the end.
  base::Result<bool> Next() {
    if (next_ == ids_.size()) return false;
    const SeriesId id = ids_[next_++];
    ASSIGN_OR_RETURN(series_, block_->index().ReadSeries(id));
    deleted_ = tombstones_->Find(id);
    return true;
  }

  const Block& block() const { return *block_; }
  const model::Labels& labels() const { return series_.labels; }
  const std::vector<ChunkMeta>& chunks() const { return series_.chunks; }
  const Intervals* deleted() const { return deleted_; }  // May be null.

 private:
  std::shared_ptr<const Block> block_;
  std::shared_ptr<const Tombstones> tombstones_;
  std::vector<SeriesId> ids_;
  size_t next_ = 0;
  IndexReader::Series series_;
  const Intervals* deleted_ = nullptr;
};

// What one series of the new block is made of.
struct SeriesTask {
  struct Part {
    uint32_t cursor;
    const Block* block;
    std::vector<ChunkMeta> chunks;
    const Intervals* deleted;  // May be null.
  };
  model::Labels labels;
  std::vector<Part> parts;  // In order of their cursors.
};

// The chunks of one series on their way into the new block. Reused from series to series.
class SeriesMerge {
 public:
  explicit SeriesMerge(uint16_t samples_per_chunk) : samples_per_chunk_(samples_per_chunk) {}

  // The chunks of the new block; views that live until the next call.
  base::Result<std::span<const EncodedChunk>> Merge(const SeriesTask& task) {
    sources_.clear();
    result_.clear();
    encoded_.clear();
    for (const SeriesTask::Part& part : task.parts) RETURN_IF_ERROR(ReadChunks(part));
    std::ranges::sort(sources_, {}, [](const Source& source) {
      return std::tuple(source.meta.min, source.part->cursor, source.meta.ref);
    });
    for (size_t begin = 0; begin < sources_.size();) {
      model::Timestamp max = sources_[begin].meta.max;
      size_t end = begin + 1;
      for (; end < sources_.size() && sources_[end].meta.min <= max; ++end) {
        max = std::max(max, sources_[end].meta.max);
      }
      if (end - begin == 1 && !PartlyDeleted(sources_[begin])) {
        const Source& source = sources_[begin];
        result_.push_back(
            {source.encoding, source.meta.min, source.meta.max, source.samples, source.bytes});
      } else {
        RETURN_IF_ERROR(EncodeAnew(task.labels, std::span(sources_).subspan(begin, end - begin)));
      }
      begin = end;
    }
    return result_;
  }

 private:
  struct Source {
    const SeriesTask::Part* part;
    ChunkMeta meta;
    chunk::Encoding encoding;
    uint32_t samples;
    std::string bytes;
  };

  base::Status ReadChunks(const SeriesTask::Part& part) {
    std::vector<ChunkMeta> wanted;
    for (const ChunkMeta& chunk : part.chunks) {
      if (part.deleted == nullptr || !part.deleted->Cover({chunk.min, chunk.max})) {
        wanted.push_back(chunk);
      }
    }
    return part.block->chunks().Read(wanted, [&](size_t i, RawChunk chunk) -> base::Status {
      sources_.push_back({&part, wanted[i], chunk.encoding,
                          chunk::CountSamples(chunk.encoding, chunk.bytes),
                          std::string(chunk.bytes)});
      return {};
    });
  }

  static bool PartlyDeleted(const Source& source) {
    const Intervals* const deleted = source.part->deleted;
    return deleted != nullptr && deleted->Overlap({source.meta.min, source.meta.max});
  }

  base::Status EncodeAnew(const model::Labels& labels, std::span<Source> group) {
    std::ranges::sort(group, {}, [](const Source& source) {
      return std::tuple(source.part->cursor, source.meta.min, source.meta.ref);
    });
    Values merged;
    Values of_part;
    Values of_chunk;
    for (size_t i = 0; i < group.size(); ++i) {
      const Source& source = group[i];
      const SeriesTask::Part& part = *source.part;
      of_chunk.clear();
      base::Status decoded = chunk::Decode(source.encoding, source.bytes, TimeRange(), of_chunk);
      if (!decoded) {
        if (decoded.error().code != Code::kUnimplemented) return decoded;
        return Fail(Code::kUnimplemented,
                    "{}: a chunk of encoding {} of {} overlaps others or is partly deleted",
                    part.block->directory(), static_cast<int>(source.encoding), labels.ToString());
      }
      for (size_t k = 1; k < of_chunk.size(); ++k) {
        if (of_chunk[k].t <= of_chunk[k - 1].t) {
          return Fail(Code::kDataLoss, "{}: times of a chunk of {} are out of order",
                      part.block->directory(), labels.ToString());
        }
      }
      if (part.deleted != nullptr) part.deleted->RemoveFrom(of_chunk);
      Merge(of_part, of_chunk);
      if (i + 1 == group.size() || group[i + 1].part != source.part) {
        Merge(merged, of_part);
        of_part.clear();
      }
    }
    for (chunk::FinishedChunk& chunk : chunk::Encode(merged, samples_per_chunk_)) {
      encoded_.push_back(std::move(chunk.bytes));
      result_.push_back({chunk.encoding, chunk.min, chunk.max, chunk.samples, encoded_.back()});
    }
    return {};
  }

  using Values = std::vector<chunk::TimedValue>;

  // Moves over the samples whose times `into` does not have.
  static void Merge(Values& into, Values& more) {
    if (more.empty()) return;
    if (into.empty() || into.back().t < more.front().t) {
      into.insert(into.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
      return;
    }
    Values both;
    both.reserve(into.size() + more.size());
    size_t a = 0;
    for (chunk::TimedValue& sample : more) {
      while (a < into.size() && into[a].t < sample.t) both.push_back(std::move(into[a++]));
      if (a < into.size() && into[a].t == sample.t) continue;
      both.push_back(std::move(sample));
    }
    while (a < into.size()) both.push_back(std::move(into[a++]));
    into = std::move(both);
  }

  const uint16_t samples_per_chunk_;
  std::vector<Source> sources_;
  std::deque<std::string> encoded_;
  std::vector<EncodedChunk> result_;
};

// Views of the blocks' index files.
base::Result<std::vector<std::string_view>> UnionOfSymbols(
    std::span<const std::shared_ptr<const Block>> blocks) {
  std::vector<std::string_view> all;
  for (const auto& block : blocks) {
    ASSIGN_OR_RETURN(std::vector<std::string_view> symbols, block->index().Symbols());
    // Trust is for our own writer alone.
    std::ranges::sort(symbols);
    symbols.erase(std::ranges::unique(symbols).begin(), symbols.end());
    std::vector<std::string_view> both;
    both.reserve(std::max(all.size(), symbols.size()));
    std::ranges::set_union(all, symbols, std::back_inserter(both));
    all = std::move(both);
  }
  return all;
}

// The series of all blocks, in label order.
class SeriesQueue {
 public:
  explicit SeriesQueue(std::span<const std::shared_ptr<const Block>> blocks) {
    for (const auto& block : blocks) cursors_.emplace_back(block);
  }

  base::Status Open() {
    for (uint32_t i = 0; i < cursors_.size(); ++i) {
      RETURN_IF_ERROR(cursors_[i].Open());
      RETURN_IF_ERROR(Advance(i));
    }
    return {};
  }

  // Some series that follow one another; nullopt at the end.
  base::Result<std::optional<std::vector<SeriesTask>>> Next() {
    constexpr size_t kSeriesMax = 128;
    std::vector<SeriesTask> tasks;
    while (!heads_.empty() && tasks.size() < kSeriesMax) {
      SeriesTask& task = tasks.emplace_back();
      task.labels = cursors_[heads_.top()].labels();
      std::vector<uint32_t> equal;
      do {
        equal.push_back(heads_.top());
        heads_.pop();
      } while (!heads_.empty() && cursors_[heads_.top()].labels() == task.labels);
      for (const uint32_t i : equal) {
        const Cursor& cursor = cursors_[i];
        task.parts.push_back({i, &cursor.block(), cursor.chunks(), cursor.deleted()});
        RETURN_IF_ERROR(Advance(i));
      }
    }
    if (tasks.empty()) return std::nullopt;
    return tasks;
  }

 private:
  base::Status Advance(uint32_t cursor) {
    ASSIGN_OR_RETURN(const bool more, cursors_[cursor].Next());
    if (more) heads_.push(cursor);
    return {};
  }

  // The smallest labels first, and of equal ones the block that comes first.
  struct Later {
    const std::vector<Cursor>* cursors;
    bool operator()(uint32_t a, uint32_t b) const {
      const auto order = (*cursors)[a].labels() <=> (*cursors)[b].labels();
      return order != 0 ? order > 0 : a > b;
    }
  };
  std::vector<Cursor> cursors_;
  std::priority_queue<uint32_t, std::vector<uint32_t>, Later> heads_{Later{&cursors_}};
};

base::Status MergeAll(SeriesQueue& queue, BlockWriter& writer, const CompactOptions& options) {
  RETURN_IF_ERROR(queue.Open());
  return RunOrdered(
      options.threads,
      [&]() -> base::Result<std::optional<std::vector<SeriesTask>>> {
        if (options.stop.stop_requested()) return Fail(Code::kCancelled, "compaction was stopped");
        return queue.Next();
      },
      [&](const std::vector<SeriesTask>& tasks) -> base::Result<BlockWriter::Prepared> {
        SeriesMerge merge(options.samples_per_chunk);
        BlockWriter::Prepared prepared;
        for (const SeriesTask& task : tasks) {
          ASSIGN_OR_RETURN(const std::span<const EncodedChunk> chunks, merge.Merge(task));
          if (!chunks.empty()) RETURN_IF_ERROR(writer.Prepare(task.labels, chunks, prepared));
        }
        return prepared;
      },
      [&](const BlockWriter::Prepared& prepared) { return writer.Append(prepared); });
}

base::Result<std::optional<BlockMeta>> WriteMerged(
    base::FileSystem& files, std::span<const std::shared_ptr<const Block>> blocks, BlockMeta meta,
    const CompactOptions& options) {
  CHECK(!blocks.empty() && options.samples_per_chunk > 0);
  ASSIGN_OR_RETURN(std::vector<std::string_view> symbols, UnionOfSymbols(blocks));
  ASSIGN_OR_RETURN(const std::unique_ptr<BlockWriter> writer,
                   BlockWriter::Create(files, options.data_directory,
                                       {.ulid = options.ulid,
                                        .segment_bytes = options.segment_bytes,
                                        .threads = options.threads},
                                       std::move(symbols)));
  SeriesQueue queue(blocks);
  RETURN_IF_ERROR(MergeAll(queue, *writer, options));
  if (writer->stats().samples == 0) return std::nullopt;
  RETURN_IF_ERROR(writer->FinishIndex());
  for (const auto& block : blocks) RETURN_IF_ERROR(block->index().CheckWhole());
  ASSIGN_OR_RETURN(BlockMeta written, writer->Finish(std::move(meta)));
  return written;
}

}  // namespace

base::Result<std::optional<BlockMeta>> CompactBlocks(
    base::FileSystem& files, std::span<const std::shared_ptr<const Block>> blocks,
    const CompactOptions& options) {
  CHECK(!blocks.empty());
  BlockMeta merged{.min_time = model::kTimestampMax, .max_time = model::kTimestampMin};
  merged.compaction.level = 0;
  for (const auto& block : blocks) {
    const BlockMeta meta = block->meta();
    merged.min_time = std::min(merged.min_time, meta.min_time);
    merged.max_time = std::max(merged.max_time, meta.max_time);
    merged.compaction.level = std::max(merged.compaction.level, meta.compaction.level);
    std::ranges::copy(meta.compaction.sources, std::back_inserter(merged.compaction.sources));
    merged.compaction.parents.push_back({meta.ulid, meta.min_time, meta.max_time});
  }
  ++merged.compaction.level;
  std::ranges::sort(merged.compaction.sources);
  merged.compaction.sources.erase(std::ranges::unique(merged.compaction.sources).begin(),
                                  merged.compaction.sources.end());
  return WriteMerged(files, blocks, std::move(merged), options);
}

base::Result<std::optional<BlockMeta>> CleanTombstones(base::FileSystem& files,
                                                       const std::shared_ptr<const Block>& block,
                                                       const CompactOptions& options) {
  const BlockMeta before = block->meta();
  BlockMeta meta{.min_time = before.min_time, .max_time = before.max_time};
  meta.compaction.parents = {{before.ulid, before.min_time, before.max_time}};
  if (std::ranges::find(before.compaction.hints, kHintOutOfOrder) !=
      before.compaction.hints.end()) {
    meta.compaction.hints = {std::string(kHintOutOfOrder)};
  }
  return WriteMerged(files, std::span(&block, 1), std::move(meta), options);
}

}  // namespace narthex::tsdb
