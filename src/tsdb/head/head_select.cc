// What queries see of the head.

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "chunk/xor_chunk.h"
#include "tsdb/head/head.h"
#include "tsdb/spread_work.h"

namespace narthex::tsdb {

using model::Labels;
using model::Matcher;
using model::TimeRange;

namespace {

// In front of an open chunk's bits: the count and the first time.
constexpr size_t kOpenHeaderBytesMax = sizeof(uint16_t) + base::kVarintBytesMax;
constexpr size_t kOneSampleBytesMax = kOpenHeaderBytesMax + sizeof(uint64_t);

// A chunk of one sample.
void AppendOneSample(model::Timestamp t, uint64_t value_bits, std::string& out) {
  base::PutBigEndian(out, uint16_t{1});
  base::PutVarint(out, t);
  base::PutBigEndian(out, value_bits);
}

}  // namespace

// Copies of the open chunks and of the lists of finished ones.
class Head::Snapshot final : public storage::SeriesSet {
 public:
  static constexpr size_t kSeriesPerSegment = 8192;
  // Where the bytes of a series are: its labels, then its sealed list, then its open chunk.
  struct Row {
    uint64_t begin;  // In the bytes of the segment.
    uint32_t labels_size;
    uint32_t sealed_size;
    uint32_t open_size;
  };
  // What few series have.
  struct Extra {
    std::shared_ptr<const Intervals> deleted;     // May be null.
    std::vector<HistogramTable::ChunkPtr> mixed;  // Behind all others.
    LateSamples::View late;

    bool empty() const { return deleted == nullptr && mixed.empty() && late.empty(); }
  };

  // What one thread has copied: `bytes` has all of its series one after the other.
  struct Segment {
    std::string bytes;
    std::vector<Row> rows;
    boost::unordered_flat_map<size_t, Extra> extras;  // By row.

    std::string_view Labels(size_t row) const {
      return std::string_view(bytes).substr(rows[row].begin, rows[row].labels_size);
    }
    std::string_view Sealed(size_t row) const {
      return std::string_view(bytes).substr(rows[row].begin + rows[row].labels_size,
                                            rows[row].sealed_size);
    }
    std::string_view Open(size_t row) const {
      return std::string_view(bytes).substr(
          rows[row].begin + rows[row].labels_size + rows[row].sealed_size, rows[row].open_size);
    }
  };

  Snapshot(Reach reach, size_t size)
      : reach_(reach), size_(size), segments_((size + kSeriesPerSegment - 1) / kSeriesPerSegment) {}

  size_t size() const override { return size_; }
  Labels labels(size_t i) const override {
    Labels labels;
    ReadLabels(i, labels);
    return labels;
  }
  void ReadLabels(size_t i, Labels& out) const override {
    out.AssignBytes(segments_[i / kSeriesPerSegment].Labels(i % kSeriesPerSegment));
  }

  base::Status Read(size_t i, TimeRange range, model::SampleColumns& out) const override {
    out.clear();
    const Segment& segment = segments_[i / kSeriesPerSegment];
    const size_t row = i % kSeriesPerSegment;
    const std::string_view open = segment.Open(row);
    const auto extra = segment.extras.find(row);
    // Of what follows each other, the last that begins in time has the newest.
    const bool newest = reach_ == Reach::kNewest && extra == segment.extras.end();
    if (!open.empty() && newest) return chunk::DecodeXor(open, range, out);
    std::vector<SealedChunk> chunks;
    // Whoever reads one series mostly reads the next one as well.
    if (row + 1 < segment.rows.size()) {
      DecodeSealed(segment.Sealed(row + 1), range, chunks);
      if (!chunks.empty()) files_.Prefetch(chunks[0].location);
    }
    if (const std::string_view sealed = segment.Sealed(row); !sealed.empty()) {
      std::string scratch;
      DecodeSealed(sealed, range, chunks);
      if (newest && chunks.size() > 1) chunks.erase(chunks.begin(), chunks.end() - 1);
      for (const SealedChunk& chunk : chunks) {
        ASSIGN_OR_RETURN(const std::string_view read, files_.Read(chunk.location, scratch));
        RETURN_IF_ERROR(chunk::DecodeXor(read, range, out));
      }
    }
    if (!open.empty()) RETURN_IF_ERROR(chunk::DecodeXor(open, range, out));
    if (extra == segment.extras.end()) [[likely]]
      return {};
    for (const HistogramTable::ChunkPtr& chunk : extra->second.mixed) {
      RETURN_IF_ERROR(chunk::Decode(chunk->encoding, chunk->bytes, range, out));
    }
    RETURN_IF_ERROR(extra->second.late.MergeInto(range, out));
    if (extra->second.deleted != nullptr) extra->second.deleted->RemoveFrom(out, 0);
    return {};
  }

  const Reach reach_;
  const size_t size_;
  HeadChunks::View files_;
  std::vector<Segment> segments_;
};

std::vector<storage::SeriesMetadata> Head::SelectMetadata(
    const std::vector<Matcher>& matchers) const {
  base::SharedLock lock(mutex_);
  std::vector<storage::SeriesMetadata> found;
  if (metadata_.empty()) return found;
  std::vector<Slot> slots;
  for (const Slot slot : index_.Select(matchers)) {
    if (metadata_.contains(slot)) slots.push_back(slot);
  }
  index_.SortByLabels(slots);
  for (const Slot slot : slots) {
    found.push_back({index_.LabelsOf(slot), metadata_.find(slot)->second});
  }
  return found;
}

void Head::PrefetchChunks(std::span<const Slot> slots, size_t i) const {
  if (i >= slots.size()) return;
  // The next call is of the slot behind, which has to have its state by then.
  if (i + 8 < slots.size()) __builtin_prefetch(&hot_[slots[i + 8]]);
  const HotSeries& series = hot_[slots[i]];
  if (series.sealed != SlabPool::kNone) __builtin_prefetch(pool_.At(series.sealed));
  if (series.open == SlabPool::kNone) return;
  for (size_t ahead = 0; ahead < series.open_bits / 8u; ahead += 64) {
    __builtin_prefetch(pool_.At(series.open) + ahead);
  }
}

std::unique_ptr<storage::SeriesSet> Head::Select(const std::vector<Matcher>& matchers,
                                                 TimeRange range, Reach reach,
                                                 size_t threads) const {
  base::SharedLock lock(mutex_);
  std::vector<Slot> slots;
  for (const Slot slot : index_.Select(matchers)) {
    const HotSeries& series = hot_[slot];
    const TimeRange late = late_.RangeOf(slot);
    const bool has_late = late.min <= range.max && late.max >= range.min;
    const bool in_order =
        !series.empty() && series.last_time >= range.min &&
        ((series.open_count > 0 && series.open_min() <= range.max) || FirstTime(slot) <= range.max);
    if (has_late || in_order) slots.push_back(slot);
  }
  index_.SortByLabels(slots);
  auto snapshot = std::make_unique<Snapshot>(reach, slots.size());
  snapshot->files_ = chunk_files_->view();
  SpreadWork(threads, snapshot->segments_.size(), [&](size_t segment) {
    const size_t begin = segment * Snapshot::kSeriesPerSegment;
    const size_t count = std::min(Snapshot::kSeriesPerSegment, slots.size() - begin);
    CopySegment(std::span(slots).subspan(begin, count), range, reach, *snapshot, segment);
  });
  return snapshot;
}

// Without asking for the lock: Select holds it, on another thread.
void Head::CopySegment(std::span<const Slot> slots, TimeRange range, Reach reach,
                       Snapshot& snapshot, size_t number) const NO_THREAD_SAFETY_ANALYSIS {
  const auto overlaps = [&](const HotSeries& series) {
    return series.open_count > 0 && series.open_min() <= range.max;
  };
  // The state of a series has its newest sample: that is all there is to say where it is asked for.
  const auto* const deleted = &deleted_;
  const auto has_newest = [&](Slot slot, const HotSeries& series) {
    return reach == Reach::kNewest && series.open_count > 0 && series.form == Form::kNumbers &&
           range.Contains(series.last_time) && !deleted->contains(slot);
  };
  // Room for all is made first: growing by copies would cost as much as the rest.
  size_t chunk_bytes = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    const HotSeries& series = hot_[slots[i]];
    if (has_newest(slots[i], series)) {
      chunk_bytes += kOneSampleBytesMax;
      continue;
    }
    PrefetchChunks(slots, i + 8);
    chunk_bytes += SealedBytes(pool_, series.sealed).size();
    if (overlaps(series)) chunk_bytes += kOpenHeaderBytesMax + series.open_bytes();
  }
  // Of its own until it is whole: those of the neighbours lie in the same cache line.
  Snapshot::Segment segment;
  std::string& bytes = segment.bytes;
  segment.rows.reserve(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    const Slot slot = slots[i];
    const HotSeries& series = hot_[slot];
    const size_t begin = bytes.size();
    index_.AppendLabelBytes(slot, bytes);
    const size_t labels_size = bytes.size() - begin;
    // The labels of the first stand for those of all.
    if (begin == 0) bytes.reserve(chunk_bytes + slots.size() * (labels_size + 8));
    if (has_newest(slot, series)) {
      AppendOneSample(series.last_time, series.last_bits, bytes);
      segment.rows.push_back({begin, static_cast<uint32_t>(labels_size), 0,
                              static_cast<uint32_t>(bytes.size() - begin - labels_size)});
      continue;
    }
    PrefetchChunks(slots, i + 8);
    const std::string_view list = SealedBytes(pool_, series.sealed);
    bytes += list;
    if (overlaps(series)) AppendOpen(series, bytes);
    const size_t open_size = bytes.size() - begin - labels_size - list.size();
    segment.rows.push_back({begin, static_cast<uint32_t>(labels_size),
                            static_cast<uint32_t>(list.size()), static_cast<uint32_t>(open_size)});
    Snapshot::Extra extra{DeletedOf(slot), {}, late_.ViewOf(slot)};
    if (series.form != Form::kNumbers) extra.mixed = histograms_.ChunksOverlapping(slot, range);
    if (!extra.empty()) segment.extras.emplace(segment.rows.size() - 1, std::move(extra));
  }
  snapshot.segments_[number] = std::move(segment);
}

std::vector<std::string> Head::LabelNames(const std::vector<Matcher>& matchers) const {
  base::SharedLock lock(mutex_);
  if (matchers.empty()) return index_.LabelNames(nullptr);
  const std::vector<Slot> slots = index_.Select(matchers);
  return index_.LabelNames(&slots);
}

std::vector<std::string> Head::LabelValues(std::string_view name,
                                           const std::vector<Matcher>& matchers) const {
  base::SharedLock lock(mutex_);
  if (matchers.empty()) return index_.LabelValues(name, nullptr);
  const std::vector<Slot> slots = index_.Select(matchers);
  return index_.LabelValues(name, &slots);
}

}  // namespace narthex::tsdb
