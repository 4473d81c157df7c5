// Late samples: their own log ("wbl", write-behind log), and the blocks that they are cut into.

#include <algorithm>
#include <set>

#include "chunk/xor_chunk.h"
#include "tsdb/block/block_writer.h"
#include "tsdb/db.h"
#include "wal/reader.h"

namespace narthex::tsdb {

using model::Timestamp;
using storage::Appended;

namespace {

// A chunk under way into a block.
struct OpenChunk {
  chunk::XorChunk chunk;
  Timestamp min = 0;
};

std::vector<OpenChunk> Encode(const model::SampleColumns& samples, uint16_t per_chunk) {
  std::vector<OpenChunk> chunks;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (chunks.empty() || chunks.back().chunk.count() >= per_chunk) {
      chunks.push_back({.chunk = {}, .min = samples.t[i]});
    }
    chunks.back().chunk.Append(samples.t[i], samples.v[i]);
  }
  return chunks;
}

}  // namespace

bool Db::TakesLate(Appended& verdict, Timestamp t) const {
  if (verdict != Appended::kOutOfOrder && verdict != Appended::kTooOld) return false;
  if (!head_.has_late_window()) return false;
  if (head_.TakesLate(t)) return true;
  verdict = Appended::kTooOld;
  return false;
}

base::Status Db::OpenLateLog() {
  if (wbl_ != nullptr) return {};
  ASSIGN_OR_RETURN(wbl_, wal::Writer::Open(env_.files, WblDirectory(), options_.wal));
  return {};
}

base::Status Db::LogLate(std::span<const Head::Entry> late) {
  RETURN_IF_ERROR(OpenLateLog());
  wal::SamplesRecord record;
  for (const Head::Entry& entry : late) record.Add({head_.RefOf(entry.slot), entry.t, entry.v});
  const std::string_view bytes = record.bytes();
  RETURN_IF_ERROR(wbl_->Log({&bytes, 1}));
  return options_.fsync == FsyncPolicy::kCommit ? wbl_->Sync() : base::Status();
}

base::Status Db::ReplayLate(const std::function<std::optional<Slot>(wal::Ref)>& slot_of) {
  ASSIGN_OR_RETURN(const bool exists, env_.files.Exists(WblDirectory()));
  if (!exists) return {};
  ASSIGN_OR_RETURN(std::vector<wal::SegmentFile> segments,
                   wal::ListSegments(env_.files, WblDirectory()));
  const auto on_damage = [this](const wal::Damage& damage) { ReportDamage(damage); };
  wal::Reader reader(env_.files, std::move(segments), on_damage);
  std::vector<wal::SampleEntry> samples;
  std::vector<Head::Entry> late;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) return {};
    if (reader.record().empty()) continue;
    base::Status decoded;
    switch (static_cast<wal::RecordType>(reader.record()[0])) {
      case wal::RecordType::kSamples:
      case wal::RecordType::kSamplesV2:
        samples.clear();
        late.clear();
        decoded = wal::DecodeSamples(reader.record(), samples);
        for (const wal::SampleEntry& entry : samples) {
          if (const auto slot = slot_of(entry.ref)) {
            late.push_back({*slot, entry.t, entry.v});
          } else {
            ++replay_.unknown_refs;
          }
        }
        head_.Publish({}, {}, late);
        replay_.replayed_samples += late.size();
        break;
      case wal::RecordType::kMmapMarkers:
        // Upstream's note that it moved samples into a mapped chunk; this log has them as well.
        late_log_has_markers_ = true;
        break;
      default:
        ++replay_.unread_records;
        break;
    }
    if (!decoded) {
      on_damage({.path = reader.path(),
                 .offset = reader.offset(),
                 .skipped = 0,
                 .cause = decoded.error().message,
                 .torn_tail = false});
    }
  }
}

base::Result<BlockMeta> Db::WriteLateBlock(const std::string& directory,
                                           const LateSamples::Cut& cut, Timestamp mint,
                                           Timestamp maxt) {
  const model::TimeRange range{mint, maxt - 1};
  std::vector<Slot> slots;
  for (const LateSamples::Series& series : cut.series) slots.push_back(series.slot);
  const std::vector<std::string_view> texts = head_.SymbolsOf(slots);
  head_.SortByLabels(slots);
  BlockWriter::Options options;
  options.ulid = Ulid::New(env_.clock.WallMs(), random_);
  ASSIGN_OR_RETURN(const std::unique_ptr<BlockWriter> writer,
                   BlockWriter::Create(env_.files, directory, options,
                                       std::vector<std::string>(texts.begin(), texts.end())));
  model::SampleColumns samples;
  std::vector<EncodedChunk> encoded;
  for (const Slot slot : slots) {
    const auto series = std::ranges::lower_bound(cut.series, slot, {}, &LateSamples::Series::slot);
    samples.clear();
    RETURN_IF_ERROR(LateSamples::View{series->chunks, {}}.MergeInto(range, samples));
    if (const auto deleted = head_.DeletionsOf(slot)) deleted->RemoveFrom(samples, 0);
    if (samples.size() == 0) continue;
    const std::vector<OpenChunk> chunks = Encode(samples, options_.head.samples_per_chunk);
    encoded.clear();
    for (const OpenChunk& chunk : chunks) {
      encoded.push_back({chunk::Encoding::kXor, chunk.min, chunk.chunk.last_time(),
                         chunk.chunk.count(), chunk.chunk.bytes()});
    }
    RETURN_IF_ERROR(writer->AddSeries(head_.LabelsOf(slot), encoded));
  }
  if (writer->stats().series == 0) return BlockMeta();
  BlockMeta meta;
  meta.min_time = mint;
  meta.max_time = maxt;
  meta.compaction.hints.emplace_back(kHintOutOfOrder);
  return writer->Finish(std::move(meta));
}

base::Result<std::vector<BlockMeta>> Db::WriteLateBlocks(const std::string& directory,
                                                         const LateSamples::Cut& cut) {
  // Only stretches that have samples: the window can be long, and late samples few.
  const int64_t length = options_.head.chunk_range_ms;
  std::set<Timestamp> begins;
  for (const LateSamples::Series& series : cut.series) {
    model::SampleColumns samples;
    RETURN_IF_ERROR(LateSamples::View{series.chunks, {}}.MergeInto({}, samples));
    for (const Timestamp t : samples.t) begins.insert(FloorTo(t, length));
  }
  std::vector<BlockMeta> metas;
  for (const Timestamp begin : begins) {
    ASSIGN_OR_RETURN(BlockMeta meta, WriteLateBlock(directory, cut, begin, begin + length));
    if (meta.ulid != Ulid()) metas.push_back(std::move(meta));
  }
  return metas;
}

base::Status Db::CutLate(Timestamp limit) {
  LateSamples::Cut cut;
  uint32_t last_segment = 0;
  {
    base::MutexLock commit(commit_mutex_);
    if (!head_.has_late_samples()) return {};
    RETURN_IF_ERROR(OpenLateLog());
    last_segment = wbl_->segment();
    RETURN_IF_ERROR(wbl_->NextSegment());
    cut = head_.BeginLateCut(limit);
    // What is not cut is logged again, so that the segments up to here can go.
    for (const LateSamples::Series& series : cut.rest) {
      model::SampleColumns samples;
      RETURN_IF_ERROR(LateSamples::View{series.chunks, {}}.MergeInto({}, samples));
      std::vector<Head::Entry> entries;
      for (size_t i = 0; i < samples.size(); ++i) {
        entries.push_back({series.slot, samples.t[i], samples.v[i]});
      }
      RETURN_IF_ERROR(LogLate(entries));
    }
    // Durable before what it replaces is removed.
    if (!cut.rest.empty()) RETURN_IF_ERROR(wbl_->Sync());
  }
  ASSIGN_OR_RETURN(const std::vector<BlockMeta> metas, WriteLateBlocks(options_.directory, cut));
  for (const BlockMeta& meta : metas) {
    ASSIGN_OR_RETURN(
        std::shared_ptr<Block> block,
        Block::Open(env_.files, base::JoinPath(options_.directory, meta.ulid.ToString())));
    ReplaceBlocks({}, std::move(block));
    ++compactions_;
    log_.Info("tsdb", "cut a block of late samples",
              {{"block", meta.ulid.ToString()},
               {"min_time", meta.min_time},
               {"max_time", meta.max_time},
               {"series", meta.stats.series},
               {"samples", meta.stats.samples}});
  }
  {
    base::MutexLock commit(commit_mutex_);
    head_.EndLateCut(cut);
  }
  ASSIGN_OR_RETURN(const std::vector<wal::SegmentFile> segments,
                   wal::ListSegments(env_.files, WblDirectory()));
  for (const wal::SegmentFile& segment : segments) {
    if (segment.index <= last_segment) RETURN_IF_ERROR(env_.files.Remove(segment.path));
  }
  return {};
}

}  // namespace narthex::tsdb
