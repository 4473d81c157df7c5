// What queries see of the head.

#include <utility>

#include "chunk/xor_chunk.h"
#include "tsdb/head/head.h"

namespace narthex::tsdb {

using model::Labels;
using model::Matcher;
using model::TimeRange;

// Copies of the open chunks and of the lists of finished ones.
class Head::Snapshot final : public storage::SeriesSet {
 public:
  struct Row {
    Labels labels;
    uint64_t begin;  // In bytes_: the sealed list, then the open chunk.
    uint32_t sealed_size;
    uint32_t open_size;
    std::shared_ptr<const Intervals> deleted;       // May be null.
    std::vector<HistogramTable::ChunkPtr> mixed{};  // Behind all others.
    LateSamples::View late{};
  };

  size_t size() const override { return rows_.size(); }
  Labels labels(size_t i) const override { return rows_[i].labels; }

  base::Status Read(size_t i, TimeRange range, model::SampleColumns& out) const override {
    out.clear();
    const Row& row = rows_[i];
    const std::string_view bytes = bytes_;
    std::string scratch;
    for (const SealedChunk& chunk : DecodeSealed(bytes.substr(row.begin, row.sealed_size))) {
      if (chunk.range.max < range.min || chunk.range.min > range.max) continue;
      ASSIGN_OR_RETURN(const std::string_view read, files_.ReadInto(chunk.location, scratch));
      RETURN_IF_ERROR(chunk::DecodeXor(read, range, out));
    }
    if (row.open_size > 0) {
      RETURN_IF_ERROR(
          chunk::DecodeXor(bytes.substr(row.begin + row.sealed_size, row.open_size), range, out));
    }
    for (const HistogramTable::ChunkPtr& chunk : row.mixed) {
      RETURN_IF_ERROR(chunk::Decode(chunk->encoding, chunk->bytes, range, out));
    }
    RETURN_IF_ERROR(row.late.MergeInto(range, out));
    if (row.deleted != nullptr) row.deleted->RemoveFrom(out, 0);
    return {};
  }

  HeadChunks::View files_;
  std::vector<Row> rows_;
  std::string bytes_;
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

std::unique_ptr<storage::SeriesSet> Head::Select(const std::vector<Matcher>& matchers,
                                                 TimeRange range) const {
  auto snapshot = std::make_unique<Snapshot>();
  base::SharedLock lock(mutex_);
  snapshot->files_ = chunk_files_->view();
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
  // A few chunks are read by calls.
  constexpr size_t kMapFrom = 64;
  if (slots.size() >= kMapFrom) snapshot->files_.Map();
  snapshot->rows_.reserve(slots.size());
  for (const Slot slot : slots) {
    const HotSeries& series = hot_[slot];
    const bool open = series.open_count > 0 && series.open_min() <= range.max;
    const std::string_view list = SealedBytes(pool_, series.sealed);
    const size_t begin = snapshot->bytes_.size();
    snapshot->bytes_ += list;
    if (open) AppendOpen(series, snapshot->bytes_);
    const size_t open_size = snapshot->bytes_.size() - begin - list.size();
    snapshot->rows_.push_back({index_.LabelsOf(slot), begin, static_cast<uint32_t>(list.size()),
                               static_cast<uint32_t>(open_size), DeletedOf(slot)});
    snapshot->rows_.back().late = late_.ViewOf(slot);
    if (series.form != Form::kNumbers) {
      snapshot->rows_.back().mixed = histograms_.ChunksOverlapping(slot, range);
    }
  }
  return snapshot;
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
