// Finished chunks of the head whose file was damaged while it was in use: the log has their
// samples.

#include <algorithm>
#include <map>

#include "tsdb/db.h"
#include "wal/reader.h"

namespace narthex::tsdb {

using model::Timestamp;

base::Status Db::HealHeadChunks(model::TimeRange range) {
  std::vector<Head::LostChunk> lost = head_.FindLost(range);
  if (lost.empty()) return {};
  std::ranges::sort(lost, {}, &Head::LostChunk::slot);
  // A series may have had several references.
  std::map<model::Labels, Slot> wanted;
  for (const Head::LostChunk& chunk : lost) wanted.emplace(head_.LabelsOf(chunk.slot), chunk.slot);
  std::vector<std::map<Timestamp, double>> found(lost.size());
  SlotsByRef slots;
  std::vector<wal::SeriesEntry> series;
  std::vector<wal::SampleEntry> samples;
  ASSIGN_OR_RETURN(std::vector<wal::SegmentFile> segments, LogSegments());
  // Its own damage was reported at start, or will be.
  wal::Reader reader(env_.files, std::move(segments), [](const wal::Damage&) {});
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) break;
    if (reader.record().empty()) continue;
    switch (static_cast<wal::RecordType>(reader.record()[0])) {
      case wal::RecordType::kSeries:
        series.clear();
        std::ignore = wal::DecodeSeries(reader.record(), series);
        for (const wal::SeriesEntry& entry : series) {
          if (const auto of = wanted.find(entry.labels); of != wanted.end()) {
            slots.Set(entry.ref, of->second);
          }
        }
        break;
      case wal::RecordType::kSamples:
      case wal::RecordType::kSamplesV2:
        samples.clear();
        std::ignore = wal::DecodeSamples(reader.record(), samples);
        for (const wal::SampleEntry& entry : samples) {
          const std::optional<Slot> slot = slots.Find(entry.ref);
          if (!slot) continue;
          const auto of_slot = std::ranges::equal_range(lost, *slot, {}, &Head::LostChunk::slot);
          for (const Head::LostChunk& chunk : of_slot) {
            if (!chunk.chunk.range.Contains(entry.t)) continue;
            found[static_cast<size_t>(&chunk - lost.data())].emplace(entry.t, entry.v);
          }
        }
        break;
      default:
        break;
    }
  }
  base::MutexLock commit(commit_mutex_);
  uint64_t gone = 0;
  for (size_t i = 0; i < lost.size(); ++i) {
    model::SampleColumns columns;
    for (const auto& [t, v] : found[i]) columns.Add(t, v);
    gone += columns.size() == 0 ? 1 : 0;
    head_.ReplaceLost(lost[i], columns);
  }
  head_chunks_healed_ += lost.size() - gone;
  log_.Warn("tsdb", "finished chunks could not be read and were made anew from the log",
            {{"chunks", lost.size()}, {"not_in_the_log", gone}});
  return {};
}

}  // namespace narthex::tsdb
