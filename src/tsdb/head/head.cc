#include "tsdb/head/head.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace narthex::tsdb {

using model::Labels;
using model::Matcher;
using model::TimeRange;
using model::Timestamp;
using storage::Appended;

namespace {

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

// A finished chunk in one allocation, with its bytes behind it.
struct Head::SealedChunk {
  SealedChunk* older;
  Timestamp min;
  Timestamp max;
  uint32_t size;

  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(this) + sizeof(SealedChunk), size};
  }
};

// Copies of the open chunks and pointers to the sealed ones, which stay put as long as the head.
class Head::Snapshot final : public storage::SeriesSet {
 public:
  struct Row {
    Labels labels;
    const SealedChunk* sealed;
    uint64_t open_begin;
    uint32_t open_size;
  };

  size_t size() const override { return rows_.size(); }
  Labels labels(size_t i) const override { return rows_[i].labels; }

  base::Status Read(size_t i, TimeRange range, model::SampleColumns& out) const override {
    out.clear();
    const Row& row = rows_[i];
    std::vector<const SealedChunk*> chunks;  // Newest first.
    for (const SealedChunk* at = row.sealed; at != nullptr && at->max >= range.min;
         at = at->older) {
      if (at->min <= range.max) chunks.push_back(at);
    }
    for (auto at = chunks.rbegin(); at != chunks.rend(); ++at) {
      RETURN_IF_ERROR(chunk::DecodeXor((*at)->bytes(), range, out));
    }
    if (row.open_size == 0) return {};
    return chunk::DecodeXor(std::string_view(open_).substr(row.open_begin, row.open_size), range,
                            out);
  }

  std::vector<Row> rows_;
  std::string open_;
};

Head::Head(Options options) : options_(options) {}

Head::~Head() {
  for (uint32_t slot = 0; slot < hot_.size(); ++slot) {
    for (SealedChunk* at = hot_[slot].sealed; at != nullptr;) {
      SealedChunk* const older = at->older;
      std::free(at);
      at = older;
    }
  }
}

base::Result<Slot> Head::Resolve(const Labels& labels) {
  {
    base::SharedLock lock(mutex_);
    if (const auto slot = index_.Find(labels)) return *slot;
  }
  base::MutexLock lock(mutex_);
  // Somebody may have been faster between the two locks.
  if (const auto slot = index_.Find(labels)) return *slot;
  if (options_.series_max != 0 && index_.size() >= options_.series_max) {
    return base::Fail(base::Code::kResourceExhausted, "the limit of {} series is reached",
                      options_.series_max);
  }
  const uint32_t index = hot_.Grow();
  hot_[index].ref = ++last_ref_;
  const Slot slot = index_.Add(labels);
  CHECK(slot == index);
  unlogged_.push_back(slot);
  return slot;
}

std::vector<Slot> Head::TakeUnlogged() {
  base::MutexLock lock(mutex_);
  return std::exchange(unlogged_, {});
}

void Head::PutBackUnlogged(const std::vector<Slot>& slots) {
  base::MutexLock lock(mutex_);
  unlogged_.insert(unlogged_.begin(), slots.begin(), slots.end());
}

Slot Head::Restore(const Labels& labels, wal::Ref ref) {
  base::MutexLock lock(mutex_);
  last_ref_ = std::max(last_ref_, ref);
  if (const auto slot = index_.Find(labels)) return *slot;
  const uint32_t index = hot_.Grow();
  hot_[index].ref = ref;
  const Slot slot = index_.Add(labels);
  CHECK(slot == index);
  return slot;
}

Labels Head::LabelsOf(Slot slot) const {
  base::SharedLock lock(mutex_);
  return index_.LabelsOf(slot);
}

Appended Head::Judge(Slot slot, Timestamp t, double v) const {
  const HotSeries& series = hot_[slot];
  const Timestamp last = series.last_time.load(std::memory_order_relaxed);
  if (t > last) [[likely]] {
    const Timestamp newest = max_time_.load(std::memory_order_relaxed);
    if (options_.retention_ms != 0 && newest != model::kTimestampMin &&
        t < newest - options_.retention_ms) {
      return Appended::kTooOld;
    }
    return Appended::kYes;
  }
  if (t < last) return Appended::kOutOfOrder;
  return series.last_bits.load(std::memory_order_relaxed) == std::bit_cast<uint64_t>(v)
             ? Appended::kSameAgain
             : Appended::kDuplicate;
}

void Head::Publish(const std::vector<Entry>& batch) {
  uint64_t appended = 0;
  Timestamp min = model::kTimestampMax;
  Timestamp max = model::kTimestampMin;
  {
    base::MutexLock lock(mutex_);
    for (const Entry& entry : batch) {
      HotSeries& series = hot_[entry.slot];
      if (entry.t <= series.last_time.load(std::memory_order_relaxed)) continue;
      Append(series, entry.t, entry.v);
      min = std::min(min, entry.t);
      max = std::max(max, entry.t);
      ++appended;
    }
    // Read by queries under the shared lock, so that they cover what they can see.
    if (min < min_time_) min_time_ = min;
    if (max > max_time_) max_time_ = max;
  }
  samples_appended_.fetch_add(appended, std::memory_order_relaxed);
}

void Head::Append(HotSeries& series, Timestamp t, double v) {
  if (series.open.count() > 0) {
    const bool full = series.open.count() >= options_.samples_per_chunk;
    const bool next_range = FloorDivide(t, options_.chunk_range_ms) !=
                            FloorDivide(series.open_min, options_.chunk_range_ms);
    if (full || next_range) Seal(series);
  }
  if (series.open.count() == 0) {
    series.open_min = t;
    chunks_.fetch_add(1, std::memory_order_relaxed);
  }
  series.open.Append(t, v);
  series.last_time.store(t, std::memory_order_relaxed);
  series.last_bits.store(std::bit_cast<uint64_t>(v), std::memory_order_relaxed);
}

void Head::Seal(HotSeries& series) {
  const std::string_view bytes = series.open.bytes();
  void* const memory = std::malloc(sizeof(SealedChunk) + bytes.size());
  CHECK(memory != nullptr);
  auto* const sealed = new (memory) SealedChunk{
      series.sealed, series.open_min, series.open.last_time(), static_cast<uint32_t>(bytes.size())};
  std::memcpy(const_cast<char*>(sealed->bytes().data()), bytes.data(), bytes.size());
  series.sealed = sealed;
  chunk_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
  series.open = chunk::XorChunk();
}

std::unique_ptr<storage::SeriesSet> Head::Select(const std::vector<Matcher>& matchers,
                                                 TimeRange range) const {
  auto snapshot = std::make_unique<Snapshot>();
  base::SharedLock lock(mutex_);
  std::vector<Slot> slots = index_.Select(matchers);
  std::erase_if(slots, [&](Slot slot) {
    const HotSeries& series = hot_[slot];
    if (series.open.count() == 0 || series.last_time < range.min) return true;
    // The oldest chunk is at the end of the list; most queries end well before it matters.
    Timestamp first = series.open_min;
    for (const SealedChunk* at = series.sealed; at != nullptr && first > range.max;
         at = at->older) {
      first = at->min;
    }
    return first > range.max;
  });
  index_.SortByLabels(slots);
  snapshot->rows_.reserve(slots.size());
  for (const Slot slot : slots) {
    const HotSeries& series = hot_[slot];
    const bool open = series.open_min <= range.max;
    const std::string_view bytes = open ? series.open.bytes() : std::string_view();
    snapshot->rows_.push_back({index_.LabelsOf(slot), series.sealed, snapshot->open_.size(),
                               static_cast<uint32_t>(bytes.size())});
    snapshot->open_ += bytes;
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

Head::Statistics Head::statistics() const {
  Statistics result;
  result.series = hot_.size();
  result.chunks = chunks_;
  result.chunk_bytes = chunk_bytes_;
  result.samples_appended = samples_appended_;
  result.min_time = min_time_;
  result.max_time = max_time_;
  return result;
}

SeriesIndex::Statistics Head::AnalyzeLabels(size_t limit) const {
  base::SharedLock lock(mutex_);
  return index_.Analyze(limit);
}

}  // namespace narthex::tsdb
