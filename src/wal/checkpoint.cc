#include "wal/checkpoint.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "wal/exemplar_records.h"
#include "wal/histogram_records.h"

namespace narthex::wal {
namespace {

constexpr std::string_view kPrefix = "checkpoint.";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::string CheckpointPath(const std::string& directory, uint32_t index) {
  return base::JoinPath(directory, std::string(kPrefix) + SegmentName(index));
}

void Decode(std::string_view record, std::vector<HistogramEntry>& entries) {
  std::ignore = DecodeHistograms(record, entries);
}
void Decode(std::string_view record, std::vector<FloatHistogramEntry>& entries) {
  std::ignore = DecodeFloatHistograms(record, entries);
}

template <class Entry>
void FilterHistograms(std::string_view record, const CheckpointPlan& plan, CheckpointResult& result,
                      std::string& out) {
  std::vector<Entry> entries;
  Decode(record, entries);
  const bool custom = record[0] == static_cast<char>(RecordType::kCustomHistograms) ||
                      record[0] == static_cast<char>(RecordType::kCustomFloatHistograms);
  HistogramsRecord kept;
  for (const Entry& entry : entries) {
    // A foreign writer may have mixed them; what follows would be of the wrong type.
    const bool fits = custom == (entry.histogram.schema == model::kCustomBucketsSchema);
    if (entry.t >= plan.mint && fits) {
      kept.Add(entry);
      ++result.samples_kept;
    } else {
      ++result.samples_dropped;
    }
  }
  out = kept.bytes();
}

// A record with start times is kept as it is while any of its samples is.
template <class Entry>
void FilterWhole(std::string_view record, const std::vector<Entry>& entries,
                 const CheckpointPlan& plan, CheckpointResult& result, std::string& out) {
  const auto needed = [&plan](const Entry& entry) { return entry.t >= plan.mint; };
  const bool keep = std::ranges::any_of(entries, needed);
  (keep ? result.samples_kept : result.samples_dropped) += entries.size();
  if (keep) out = record;
}

// The records of one input record that are to be kept, in `out`.
void Filter(std::string_view record, const CheckpointPlan& plan, CheckpointResult& result,
            std::string& out) {
  out.clear();
  switch (static_cast<RecordType>(record[0])) {
    case RecordType::kSeries: {
      std::vector<SeriesEntry> entries;
      // What of a damaged record could be read is kept; the reader has checked its checksum, so
      // that this is a writer's mistake and not the disk's.
      std::ignore = DecodeSeries(record, entries);
      SeriesRecord kept;
      for (const SeriesEntry& entry : entries) {
        if (plan.keep_series(entry.ref)) {
          kept.Add(entry.ref, entry.labels);
          ++result.series_kept;
        } else {
          ++result.series_dropped;
        }
      }
      out = kept.bytes();
      return;
    }
    case RecordType::kSamples: {
      std::vector<SampleEntry> entries;
      std::ignore = DecodeSamples(record, entries);
      SamplesRecord kept;
      for (const SampleEntry& entry : entries) {
        if (entry.t >= plan.mint) {
          kept.Add(entry);
          ++result.samples_kept;
        } else {
          ++result.samples_dropped;
        }
      }
      out = kept.bytes();
      return;
    }
    case RecordType::kTombstones: {
      std::vector<TombstoneEntry> entries;
      std::ignore = DecodeTombstones(record, entries);
      TombstonesRecord kept;
      for (const TombstoneEntry& entry : entries) {
        if (entry.range.max >= plan.deletions_mint) kept.Add(entry);
      }
      out = kept.bytes();
      return;
    }
    case RecordType::kHistograms:
    case RecordType::kCustomHistograms:
      return FilterHistograms<HistogramEntry>(record, plan, result, out);
    case RecordType::kFloatHistograms:
    case RecordType::kCustomFloatHistograms:
      return FilterHistograms<FloatHistogramEntry>(record, plan, result, out);
    case RecordType::kSamplesV2: {
      std::vector<SampleEntry> entries;
      std::ignore = DecodeSamples(record, entries);
      return FilterWhole(record, entries, plan, result, out);
    }
    case RecordType::kHistogramsV2: {
      std::vector<HistogramEntry> entries;
      Decode(record, entries);
      return FilterWhole(record, entries, plan, result, out);
    }
    case RecordType::kFloatHistogramsV2: {
      std::vector<FloatHistogramEntry> entries;
      Decode(record, entries);
      return FilterWhole(record, entries, plan, result, out);
    }
    case RecordType::kExemplars: {
      std::vector<ExemplarEntry> entries;
      std::ignore = DecodeExemplars(record, entries);
      ExemplarsRecord kept;
      for (const ExemplarEntry& entry : entries) {
        if (entry.t >= plan.mint) kept.Add(entry);
      }
      out = kept.bytes();
      return;
    }
    default:
      out = record;
      return;
  }
}

}  // namespace

base::Result<CheckpointResult> WriteCheckpoint(
    base::FileSystem& files, const std::string& directory, const CheckpointPlan& plan,
    Writer::Options options, const std::function<void(const Damage&)>& on_damage) {
  std::vector<SegmentFile> inputs;
  ASSIGN_OR_RETURN(const std::optional<Checkpoint> previous, FindCheckpoint(files, directory));
  if (previous) {
    ASSIGN_OR_RETURN(inputs, ListSegments(files, previous->path));
  }
  ASSIGN_OR_RETURN(const std::vector<SegmentFile> segments, ListSegments(files, directory));
  for (const SegmentFile& segment : segments) {
    if (previous && segment.index <= previous->index) continue;
    if (segment.index <= plan.last_segment) inputs.push_back(segment);
  }

  const std::string target = CheckpointPath(directory, plan.last_segment);
  const std::string temporary = target + std::string(kTemporarySuffix);
  RETURN_IF_ERROR(base::RemoveAll(files, temporary));
  CheckpointResult result;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Writer> writer, Writer::Open(files, temporary, options));
    Reader reader(files, std::move(inputs), on_damage);
    // Batches, so that a write is not made for every record.
    constexpr size_t kBatchBytes = 1 << 20;
    std::vector<std::string> batch;
    size_t batch_bytes = 0;
    const auto flush = [&]() -> base::Status {
      const std::vector<std::string_view> records(batch.begin(), batch.end());
      RETURN_IF_ERROR(writer->Log(records));
      batch.clear();
      batch_bytes = 0;
      return {};
    };
    std::string kept;
    std::map<Ref, model::Metadata> metadata;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, reader.Next());
      if (!more) break;
      if (reader.record().empty()) continue;
      if (reader.record()[0] == static_cast<char>(RecordType::kMetadata)) {
        // Of each series, what was said last.
        std::vector<MetadataEntry> entries;
        std::ignore = DecodeMetadata(reader.record(), entries);
        for (MetadataEntry& entry : entries) {
          if (plan.keep_series(entry.ref)) metadata[entry.ref] = std::move(entry.metadata);
        }
        continue;
      }
      Filter(reader.record(), plan, result, kept);
      if (kept.empty()) continue;
      batch_bytes += kept.size();
      batch.push_back(std::move(kept));
      if (batch_bytes >= kBatchBytes) RETURN_IF_ERROR(flush());
    }
    MetadataRecord newest;
    for (auto& [ref, said] : metadata) newest.Add({ref, std::move(said)});
    if (!newest.empty()) batch.emplace_back(newest.bytes());
    if (!batch.empty()) RETURN_IF_ERROR(flush());
    RETURN_IF_ERROR(writer->Sync());
  }
  RETURN_IF_ERROR(files.SyncDirectory(temporary));
  RETURN_IF_ERROR(base::RemoveAll(files, target));
  RETURN_IF_ERROR(files.Rename(temporary, target));
  RETURN_IF_ERROR(files.SyncDirectory(directory));
  return result;
}

base::Status RemoveReplaced(base::FileSystem& files, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::optional<Checkpoint> newest, FindCheckpoint(files, directory));
  ASSIGN_OR_RETURN(const bool exists, files.Exists(directory));
  if (!exists) return {};
  ASSIGN_OR_RETURN(const auto entries, files.List(directory));
  for (const base::DirectoryEntry& entry : entries) {
    if (!entry.is_directory || !entry.name.starts_with(kPrefix)) continue;
    const std::string path = base::JoinPath(directory, entry.name);
    if (!newest || path != newest->path) RETURN_IF_ERROR(base::RemoveAll(files, path));
  }
  if (!newest) return {};
  ASSIGN_OR_RETURN(const std::vector<SegmentFile> segments, ListSegments(files, directory));
  for (const SegmentFile& segment : segments) {
    if (segment.index <= newest->index) RETURN_IF_ERROR(files.Remove(segment.path));
  }
  return {};
}

}  // namespace narthex::wal
