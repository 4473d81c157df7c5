#include "tsdb/block/block_writer.h"

#include <utility>

#include "base/check.h"
#include "tsdb/block/block.h"
#include "tsdb/block/tombstones.h"

namespace narthex::tsdb {

BlockWriter::BlockWriter(base::FileSystem& files, const std::string& data_directory,
                         const Options& options)
    : files_(files),
      data_directory_(data_directory),
      ulid_(options.ulid),
      temporary_(
          base::JoinPath(data_directory, options.ulid.ToString() + std::string(kCreationSuffix))),
      chunks_(files, base::JoinPath(temporary_, "chunks"), options.segment_bytes) {}

base::Result<std::unique_ptr<BlockWriter>> BlockWriter::Create(
    base::FileSystem& files, const std::string& data_directory, const Options& options,
    std::vector<std::string_view> symbols) {
  CHECK(options.ulid != Ulid());
  std::unique_ptr<BlockWriter> writer(new BlockWriter(files, data_directory, options));
  RETURN_IF_ERROR(files.CreateDirectories(base::JoinPath(writer->temporary_, "chunks")));
  ASSIGN_OR_RETURN(writer->index_,
                   IndexWriter::Create(files, base::JoinPath(writer->temporary_, "index"),
                                       std::move(symbols), options.threads));
  return writer;
}

BlockWriter::~BlockWriter() {
  // What cannot be removed now is removed at the next start.
  if (!finished_) std::ignore = base::RemoveAll(files_, temporary_);
}

base::Status BlockWriter::Prepare(const model::Labels& labels, std::span<const EncodedChunk> chunks,
                                  Prepared& into) const {
  RETURN_IF_ERROR(index_->Prepare(labels, into.labels_));
  for (const EncodedChunk& chunk : chunks) {
    const size_t begin = into.frames_.size();
    ChunkWriter::Frame({chunk.encoding, chunk.bytes}, into.frames_);
    into.chunks_.push_back({chunk.encoding, chunk.min, chunk.max, chunk.samples,
                            static_cast<uint32_t>(into.frames_.size() - begin)});
  }
  into.ends_.push_back(static_cast<uint32_t>(into.chunks_.size()));
  return {};
}

base::Status BlockWriter::Append(const Prepared& series) {
  metas_.clear();
  std::string_view frames = series.frames_;
  for (const Prepared::Chunk& chunk : series.chunks_) {
    ASSIGN_OR_RETURN(const uint64_t ref, chunks_.AppendFramed(frames.substr(0, chunk.frame_bytes)));
    frames.remove_prefix(chunk.frame_bytes);
    metas_.push_back({ref, chunk.min, chunk.max});
    stats_.samples += chunk.samples;
    (chunk::IsHistogram(chunk.encoding) ? stats_.histogram_samples : stats_.float_samples) +=
        chunk.samples;
  }
  RETURN_IF_ERROR(index_->AddSeries(series.labels_, metas_, series.ends_));
  stats_.chunks += series.chunks_.size();
  stats_.series += series.ends_.size();
  return {};
}

base::Status BlockWriter::AddSeries(const model::Labels& labels,
                                    std::span<const EncodedChunk> chunks) {
  Prepared one;
  RETURN_IF_ERROR(Prepare(labels, chunks, one));
  return Append(one);
}

base::Status BlockWriter::FinishIndex() {
  if (index_finished_) return {};
  index_finished_ = true;
  return index_->Finish();
}

base::Status BlockWriter::WriteFiles(const BlockMeta& meta) {
  RETURN_IF_ERROR(chunks_.Finish());
  RETURN_IF_ERROR(FinishIndex());
  RETURN_IF_ERROR(base::WriteFileAtomically(files_, base::JoinPath(temporary_, "tombstones"),
                                            Tombstones().Encode()));
  RETURN_IF_ERROR(WriteBlockMeta(files_, temporary_, meta));
  RETURN_IF_ERROR(files_.SyncDirectory(base::JoinPath(temporary_, "chunks")));
  RETURN_IF_ERROR(files_.SyncDirectory(temporary_));
  RETURN_IF_ERROR(files_.Rename(temporary_, base::JoinPath(data_directory_, ulid_.ToString())));
  finished_ = true;
  base::Status synced = files_.SyncDirectory(data_directory_);
  // The caller goes on without it, and so must the next start.
  if (!synced) std::ignore = DeleteBlock(files_, base::JoinPath(data_directory_, ulid_.ToString()));
  return synced;
}

base::Result<BlockMeta> BlockWriter::Finish(BlockMeta meta) {
  CHECK(!finished_);
  meta.ulid = ulid_;
  meta.stats = stats_;
  if (meta.compaction.sources.empty()) meta.compaction.sources = {ulid_};
  if (base::Status written = WriteFiles(meta); !written) {
    return std::unexpected(std::move(written).error().In("block " + ulid_.ToString()));
  }
  return meta;
}

}  // namespace narthex::tsdb
