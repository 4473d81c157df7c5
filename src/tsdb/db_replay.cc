// What a start reads: finished chunks of the head, then the write-ahead log.

#include <algorithm>
#include <thread>
#include <tuple>

#include "tsdb/db.h"
#include "tsdb/head/replay_feed.h"
#include "wal/exemplar_records.h"
#include "wal/histogram_records.h"

namespace narthex::tsdb {

using model::Timestamp;

namespace {

size_t ReplayThreads(size_t wanted) {
  constexpr size_t kThreadsMax = 8;
  if (wanted != 0) return wanted;
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
}

}  // namespace

void Db::ReportDamage(const wal::Damage& damage) {
  if (!damage.torn_tail) ++replay_.wal_corruptions;
  log_.Warn("tsdb",
            damage.torn_tail ? "passed over an unfinished write at the end of a log segment"
                             : "passed over a damaged place in the log",
            {{"file", damage.path},
             {"offset", damage.offset},
             {"skipped_bytes", damage.skipped},
             {"cause", damage.cause}});
}

void Db::ReportRecord(const wal::Reader& reader, const base::Error& error) {
  ReportDamage({.path = reader.path(),
                .offset = reader.offset(),
                .skipped = 0,
                .cause = error.message,
                .torn_tail = false});
}

base::Status Db::ReadHead() {
  ASSIGN_OR_RETURN(const bool loaded, LoadImage());
  if (loaded) return {};
  RETURN_IF_ERROR(OpenHeadChunks());
  return Replay();
}

base::Status Db::OpenHeadChunks() {
  HeadChunks::Callbacks callbacks;
  callbacks.on_chunk = [this](const HeadChunks::Chunk& chunk, HeadChunks::Location location) {
    // Late samples and histograms come from their logs.
    if (chunk.out_of_order || chunk.encoding != chunk::Encoding::kXor) return;
    if (chunk.range.max < head_.valid_time() || chunk.range.min > chunk.range.max) return;
    found_chunks_.push_back({chunk.ref, {chunk.range, location}});
  };
  callbacks.on_damage = [this](const HeadChunks::Damage& damage) {
    if (!damage.torn_tail) ++replay_.head_chunks_damaged;
    log_.Warn("tsdb",
              damage.torn_tail ? "an unfinished write at the end of a head chunk file"
                               : "a damaged head chunk; the log has its samples",
              {{"file", damage.path}, {"offset", damage.offset}, {"cause", damage.cause}});
  };
  ASSIGN_OR_RETURN(std::unique_ptr<HeadChunks> chunks,
                   HeadChunks::Open(env_.files, base::JoinPath(options_.directory, "chunks_head"),
                                    options_.read_only, callbacks));
  std::ranges::sort(found_chunks_, {}, [](const auto& found) {
    return std::tuple(found.first, found.second.range.min, found.second.location);
  });
  replay_.head_chunks_found = found_chunks_.size();
  head_.UseChunkFiles(std::move(chunks));
  return {};
}

void Db::AttachHeadChunks(wal::Ref ref, Slot slot) {
  const auto of_series = std::ranges::equal_range(found_chunks_, ref, {},
                                                  [](const auto& found) { return found.first; });
  if (of_series.empty()) return;
  std::vector<SealedChunk> chunks;
  for (const auto& [owner, chunk] : of_series) chunks.push_back(chunk);
  head_.Attach(slot, chunks);
}

base::Result<std::vector<wal::SegmentFile>> Db::LogSegments() const {
  const std::string directory = WalDirectory();
  std::vector<wal::SegmentFile> segments;
  ASSIGN_OR_RETURN(const std::optional<wal::Checkpoint> checkpoint,
                   wal::FindCheckpoint(env_.files, directory));
  if (checkpoint) {
    ASSIGN_OR_RETURN(segments, wal::ListSegments(env_.files, checkpoint->path));
  }
  ASSIGN_OR_RETURN(const std::vector<wal::SegmentFile> written,
                   wal::ListSegments(env_.files, directory));
  for (const wal::SegmentFile& segment : written) {
    if (!checkpoint || segment.index > checkpoint->index) segments.push_back(segment);
  }
  return segments;
}

base::Status Db::Replay() {
  const int64_t began = env_.clock.MonotonicNs();
  ASSIGN_OR_RETURN(std::vector<wal::SegmentFile> segments, LogSegments());
  wal::Reader reader(env_.files, std::move(segments),
                     [this](const wal::Damage& damage) { ReportDamage(damage); });
  SlotsByRef slots;
  std::vector<wal::SeriesEntry> series;
  std::vector<wal::SampleEntry> samples;
  std::vector<wal::TombstoneEntry> tombstones;
  std::vector<Head::Entry> batch;
  ReplayFeed feed(head_, ReplayThreads(options_.replay_threads));
  bool has_histograms = false;
  bool handed = false;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) break;
    if (reader.record().empty()) continue;
    base::Status decoded;
    switch (static_cast<wal::RecordType>(reader.record()[0])) {
      case wal::RecordType::kSeries:
        series.clear();
        decoded = wal::DecodeSeries(reader.record(), series);
        for (const wal::SeriesEntry& entry : series) {
          const uint64_t before = head_.statistics().series;
          const Slot slot = head_.Restore(entry.labels, entry.ref);
          if (!slots.Set(entry.ref, slot)) continue;
          // Another reference of a series that may have samples under way.
          if (head_.statistics().series == before) feed.Drain();
          AttachHeadChunks(entry.ref, slot);
        }
        break;
      case wal::RecordType::kSamples:
      case wal::RecordType::kSamplesV2:
        samples.clear();
        batch.clear();
        decoded = wal::DecodeSamples(reader.record(), samples);
        for (const wal::SampleEntry& entry : samples) {
          if (entry.t < head_.valid_time()) continue;  // In a block.
          if (const std::optional<Slot> slot = slots.Find(entry.ref)) {
            batch.push_back({*slot, entry.t, entry.v});
          } else {
            ++replay_.unknown_refs;
          }
        }
        replay_.replayed_samples += batch.size();
        if (has_histograms) {
          head_.Publish(batch);
          handed = true;
        } else {
          handed = feed.Add(batch);
        }
        if (handed && !options_.read_only) FlushHeadChunks(false);
        break;
      case wal::RecordType::kTombstones:
        tombstones.clear();
        decoded = wal::DecodeTombstones(reader.record(), tombstones);
        for (const wal::TombstoneEntry& entry : tombstones) {
          if (const auto slot = slots.Find(entry.ref)) head_.Delete({{*slot, entry.range}});
        }
        break;
      case wal::RecordType::kHistograms:
      case wal::RecordType::kFloatHistograms:
      case wal::RecordType::kCustomHistograms:
      case wal::RecordType::kCustomFloatHistograms:
      case wal::RecordType::kHistogramsV2:
      case wal::RecordType::kFloatHistogramsV2:
        // From here on the order counts, of numbers and histograms of a series.
        if (!has_histograms) feed.Drain();
        has_histograms = true;
        decoded = ReplayHistograms(reader.record(), slots);
        break;
      case wal::RecordType::kExemplars:
        decoded = ReplayExemplars(reader.record(), slots);
        break;
      case wal::RecordType::kMetadata:
        decoded = ReplayMetadata(reader.record(), slots);
        break;
      default:
        ++replay_.unread_records;
        break;
    }
    if (!decoded) ReportRecord(reader, decoded.error());
  }
  feed.Drain();
  found_chunks_ = {};
  RETURN_IF_ERROR(head_.FinishRestore());
  RETURN_IF_ERROR(ReplayLate([&slots](wal::Ref ref) { return slots.Find(ref); }));
  // Series that live on in blocks alone.
  if (head_.valid_time() != model::kTimestampMin) head_.Truncate(head_.valid_time(), true);
  replay_.replayed_series = head_.statistics().series;
  replay_.replay_ms = (env_.clock.MonotonicNs() - began) / 1'000'000;
  if (replay_.unknown_refs > 0 || replay_.unread_records > 0) {
    log_.Warn("tsdb", "parts of the log were not taken over",
              {{"samples_without_series", replay_.unknown_refs},
               {"records_of_unread_types", replay_.unread_records}});
  }
  if (replay_.replayed_series > 0) {
    log_.Info("tsdb", "replayed the write-ahead log",
              {{"series", replay_.replayed_series},
               {"samples", replay_.replayed_samples},
               {"duration_ms", replay_.replay_ms}});
  }
  return {};
}

base::Status Db::DecodeHistograms(std::string_view record, const SlotOf& slot_of, Timestamp from,
                                  std::vector<Head::HistogramEntry>& out) {
  base::Status valid;
  const auto take = [&](auto& entries) {
    for (auto& entry : entries) {
      if (entry.t < from) continue;
      const std::optional<Slot> slot = slot_of(entry.ref);
      if (!slot) {
        ++replay_.unknown_refs;
      } else if (base::Status ok = entry.histogram.Validate();
                 !ok && !model::IsStaleNan(entry.histogram.sum)) {
        valid = base::Fail(base::Code::kDataLoss, "histogram record: {}", ok.error().message);
      } else {
        out.push_back({*slot, entry.t, std::move(entry.histogram)});
      }
    }
  };
  base::Status decoded;
  if (wal::HasWholeCounts(static_cast<wal::RecordType>(record[0]))) {
    std::vector<wal::HistogramEntry> entries;
    decoded = wal::DecodeHistograms(record, entries);
    take(entries);
  } else {
    std::vector<wal::FloatHistogramEntry> entries;
    decoded = wal::DecodeFloatHistograms(record, entries);
    take(entries);
  }
  return decoded ? std::move(valid) : std::move(decoded);
}

base::Status Db::ReplayHistograms(std::string_view record, const SlotsByRef& slots) {
  std::vector<Head::BatchPart> parts(1);
  // What is older is in a block.
  base::Status decoded = DecodeHistograms(
      record, [&slots](wal::Ref ref) { return slots.Find(ref); }, head_.valid_time(),
      parts[0].histograms);
  head_.Publish({}, parts);
  replay_.replayed_samples += parts[0].histograms.size();
  return decoded;
}

base::Status Db::ReplayExemplars(std::string_view record, const SlotsByRef& slots) {
  if (!exemplars_.enabled()) return {};
  std::vector<wal::ExemplarEntry> entries;
  base::Status decoded = wal::DecodeExemplars(record, entries);
  for (wal::ExemplarEntry& entry : entries) {
    const std::optional<Slot> slot = slots.Find(entry.ref);
    if (!slot) continue;
    exemplars_.Add(head_.LabelsOf(*slot), {std::move(entry.labels), entry.v, entry.t});
  }
  return decoded;
}

base::Status Db::ReplayMetadata(std::string_view record, const SlotsByRef& slots) {
  if (!options_.metadata_records) return {};
  std::vector<wal::MetadataEntry> entries;
  base::Status decoded = wal::DecodeMetadata(record, entries);
  for (const wal::MetadataEntry& entry : entries) {
    if (const auto slot = slots.Find(entry.ref)) head_.SetMetadata(*slot, entry.metadata);
  }
  return decoded;
}

}  // namespace narthex::tsdb
