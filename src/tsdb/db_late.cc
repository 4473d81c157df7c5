// Late samples: their own log ("wbl", write-behind log), and the blocks that they are cut into.

#include <algorithm>
#include <set>

#include "tsdb/block/block_writer.h"
#include "tsdb/db.h"
#include "wal/reader.h"

namespace narthex::tsdb {

using model::Timestamp;
using storage::Appended;

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

base::Status Db::LogLate(const Head::LateBatch& late) {
  RETURN_IF_ERROR(OpenLateLog());
  wal::SamplesRecord numbers;
  for (const Head::Entry& entry : late.numbers) {
    numbers.Add({head_.RefOf(entry.slot), entry.t, entry.v});
  }
  const std::vector<std::string> histograms = HistogramRecords(head_, late.histograms);
  std::vector<std::string_view> records(histograms.begin(), histograms.end());
  if (!numbers.empty()) records.insert(records.begin(), numbers.bytes());
  return wbl_->Log(records);
}

base::Status Db::ReplayLate(const SlotOf& slot_of) {
  ASSIGN_OR_RETURN(const bool exists, env_.files.Exists(WblDirectory()));
  if (!exists) return {};
  ASSIGN_OR_RETURN(std::vector<wal::SegmentFile> segments,
                   wal::ListSegments(env_.files, WblDirectory()));
  wal::Reader reader(env_.files, std::move(segments),
                     [this](const wal::Damage& damage) { ReportDamage(damage); });
  std::vector<wal::SampleEntry> samples;
  Head::LateBatch late;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) return {};
    if (reader.record().empty()) continue;
    base::Status decoded;
    switch (static_cast<wal::RecordType>(reader.record()[0])) {
      case wal::RecordType::kSamples:
      case wal::RecordType::kSamplesV2:
        samples.clear();
        late.Clear();
        decoded = wal::DecodeSamples(reader.record(), samples);
        for (const wal::SampleEntry& entry : samples) {
          if (const auto slot = slot_of(entry.ref)) {
            late.numbers.push_back({*slot, entry.t, entry.v});
          } else {
            ++replay_.unknown_refs;
          }
        }
        head_.Publish({}, {}, late);
        replay_.replayed_samples += late.numbers.size();
        break;
      case wal::RecordType::kHistograms:
      case wal::RecordType::kFloatHistograms:
      case wal::RecordType::kCustomHistograms:
      case wal::RecordType::kCustomFloatHistograms:
      case wal::RecordType::kHistogramsV2:
      case wal::RecordType::kFloatHistogramsV2:
        late.Clear();
        decoded = DecodeHistograms(reader.record(), slot_of, model::kTimestampMin, late.histograms);
        head_.Publish({}, {}, late);
        replay_.replayed_samples += late.histograms.size();
        break;
      case wal::RecordType::kMmapMarkers:
        // Upstream's note that it moved samples into a mapped chunk; this log has them as well.
        late_log_has_markers_ = true;
        break;
      default:
        ++replay_.unread_records;
        break;
    }
    if (!decoded) ReportRecord(reader, decoded.error());
  }
}

base::Result<BlockMeta> Db::WriteLateBlock(const std::string& directory,
                                           const LateSamples::Cut& cut, Timestamp mint,
                                           Timestamp maxt) {
  const model::TimeRange range{mint, maxt - 1};
  std::vector<Slot> slots;
  for (const LateSamples::Series& series : cut.series) slots.push_back(series.slot);
  head_.SortByLabels(slots);
  BlockWriter::Options options;
  options.ulid = Ulid::New(env_.clock.WallMs(), random_);
  ASSIGN_OR_RETURN(const std::unique_ptr<BlockWriter> writer,
                   BlockWriter::Create(env_.files, directory, options, head_.SymbolsOf(slots)));
  std::vector<EncodedChunk> encoded;
  for (const Slot slot : slots) {
    const auto series = std::ranges::lower_bound(cut.series, slot, {}, &LateSamples::Series::slot);
    ASSIGN_OR_RETURN(std::vector<chunk::TimedValue> samples, series->Read(range));
    if (const auto deleted = head_.DeletionsOf(slot)) deleted->RemoveFrom(samples);
    if (samples.empty()) continue;
    const std::vector<chunk::FinishedChunk> chunks =
        chunk::Encode(samples, options_.head.samples_per_chunk);
    encoded.clear();
    for (const chunk::FinishedChunk& chunk : chunks) {
      encoded.push_back({chunk.encoding, chunk.min, chunk.max, chunk.samples, chunk.bytes});
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

base::Status Db::WriteLateBlocks(const std::string& directory, const LateSamples::Cut& cut,
                                 const std::function<base::Status(const BlockMeta&)>& on_block) {
  // Only stretches that have samples: the window can be long, and late samples few.
  const int64_t length = options_.head.chunk_range_ms;
  std::set<Timestamp> begins;
  for (const LateSamples::Series& series : cut.series) {
    ASSIGN_OR_RETURN(const std::vector<chunk::TimedValue> samples, series.Read({}));
    for (const chunk::TimedValue& sample : samples) begins.insert(FloorTo(sample.t, length));
  }
  for (const Timestamp begin : begins) {
    ASSIGN_OR_RETURN(const BlockMeta meta, WriteLateBlock(directory, cut, begin, begin + length));
    if (meta.ulid != Ulid()) RETURN_IF_ERROR(on_block(meta));
  }
  return {};
}

base::Status Db::ServeLateBlock(const BlockMeta& meta) {
  ASSIGN_OR_RETURN(std::shared_ptr<Block> block, OpenWritten(meta));
  ReplaceBlocks({}, std::move(block));
  ++compactions_;
  log_.Info("tsdb", "cut a block of late samples",
            {{"block", meta.ulid.ToString()},
             {"min_time", meta.min_time},
             {"max_time", meta.max_time},
             {"series", meta.stats.series},
             {"samples", meta.stats.samples}});
  return {};
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
      ASSIGN_OR_RETURN(std::vector<chunk::TimedValue> samples, series.Read({}));
      Head::LateBatch rest;
      for (auto& [t, value, start] : samples) {
        if (const double* const v = std::get_if<double>(&value)) {
          rest.numbers.push_back({series.slot, t, *v});
        } else {
          rest.histograms.push_back({series.slot, t, std::move(value)});
        }
      }
      RETURN_IF_ERROR(LogLate(rest));
    }
    // Durable before what it replaces is removed.
    if (!cut.rest.empty()) RETURN_IF_ERROR(wbl_->Sync());
  }
  // Each is in service before the next is written, so that none is on the disk that a deletion does
  // not see.
  RETURN_IF_ERROR(WriteLateBlocks(options_.directory, cut,
                                  [this](const BlockMeta& meta) REQUIRES_LOCK(maintenance_mutex_) {
                                    return ServeLateBlock(meta);
                                  }));
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
