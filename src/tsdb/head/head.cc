#include "tsdb/head/head.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/bytes.h"
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
  std::atomic<SealedChunk*> older;  // Cut by a truncation, under readers.
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
    std::shared_ptr<const Intervals> deleted;  // May be null.
    LateSamples::View late;
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
    if (row.open_size > 0) {
      RETURN_IF_ERROR(chunk::DecodeXor(
          std::string_view(open_).substr(row.open_begin, row.open_size), range, out));
    }
    RETURN_IF_ERROR(row.late.MergeInto(range, out));
    if (row.deleted != nullptr) row.deleted->RemoveFrom(out, 0);
    return {};
  }

  Epochs::Guard guard_;  // Keeps the sealed chunks.
  std::vector<Row> rows_;
  std::string open_;
};

Head::Head(Options options) : options_(options) {}

Head::~Head() {
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) FreeList(hot_[slot].sealed);
}

void Head::FreeList(SealedChunk* chunk) {
  while (chunk != nullptr) {
    SealedChunk* const older = chunk->older;
    std::free(chunk);
    chunk = older;
  }
}

Slot Head::Create(const Labels& labels, wal::Ref ref) {
  const uint32_t index = hot_.Grow();
  hot_[index].ref = ref;
  const Slot slot = index_.Add(labels);
  CHECK(slot == index);
  ++series_;
  ++series_created_;
  return slot;
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
  const Slot slot = Create(labels, ++last_ref_);
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
  return Create(labels, ref);
}

Labels Head::LabelsOf(Slot slot) const {
  base::SharedLock lock(mutex_);
  return index_.LabelsOf(slot);
}

Appended Head::Judge(Slot slot, Timestamp t, double v) const {
  const HotSeries* const found = hot_.Find(slot);
  if (found == nullptr || found->removed.load(std::memory_order_relaxed)) {
    return Appended::kUnknownSeries;
  }
  const HotSeries& series = *found;
  if (t < valid_time_.load(std::memory_order_relaxed)) return Appended::kTooOld;
  const Timestamp last = series.last_time.load(std::memory_order_relaxed);
  if (t > last) [[likely]] {
    const Timestamp newest = max_time_.load(std::memory_order_relaxed);
    const int64_t retention = retention_ms_.load(std::memory_order_relaxed);
    if (retention != 0 && newest != model::kTimestampMin && t < newest - retention) {
      return Appended::kTooOld;
    }
    return Appended::kYes;
  }
  if (t < last) return Appended::kOutOfOrder;
  return series.last_bits.load(std::memory_order_relaxed) == std::bit_cast<uint64_t>(v)
             ? Appended::kSameAgain
             : Appended::kDuplicate;
}

bool Head::TakesLate(Timestamp t) const {
  const int64_t window = late_window_ms_.load(std::memory_order_relaxed);
  const Timestamp newest = max_time_.load(std::memory_order_relaxed);
  return window > 0 && newest != model::kTimestampMin && t >= newest - window;
}

LateSamples::Cut Head::BeginLateCut(Timestamp limit) {
  base::MutexLock lock(mutex_);
  return late_.Begin(limit);
}

void Head::EndLateCut(const LateSamples::Cut& cut) {
  base::MutexLock lock(mutex_);
  late_.End(cut);
}

bool Head::has_late_samples() const {
  base::SharedLock lock(mutex_);
  return !late_.empty();
}

LateSamples::Statistics Head::late_statistics() const {
  base::SharedLock lock(mutex_);
  return late_.statistics();
}

void Head::SortByLabels(std::vector<Slot>& slots) const {
  base::SharedLock lock(mutex_);
  index_.SortByLabels(slots);
}

std::vector<std::string_view> Head::SymbolsOf(const std::vector<Slot>& slots) const {
  base::SharedLock lock(mutex_);
  return index_.SymbolsOf(slots);
}

std::shared_ptr<const Intervals> Head::DeletionsOf(Slot slot) const {
  base::SharedLock lock(mutex_);
  return DeletedOf(slot);
}

void Head::Publish(const std::vector<Entry>& batch, const std::vector<Entry>& late) {
  uint64_t appended = 0;
  Timestamp min = model::kTimestampMax;
  Timestamp max = model::kTimestampMin;
  {
    // Series lie apart in memory: their state is asked for well before it is needed, and their
    // buffers, whose place only the state tells, a little before.
    constexpr size_t kStateAhead = 16;
    constexpr size_t kBufferAhead = 8;
    base::MutexLock lock(mutex_);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (i + kStateAhead < batch.size()) {
        __builtin_prefetch(&hot_[batch[i + kStateAhead].slot], 1);
      }
      if (i + kBufferAhead < batch.size()) hot_[batch[i + kBufferAhead].slot].open.Prefetch();
      const Entry& entry = batch[i];
      HotSeries& series = hot_[entry.slot];
      if (entry.t <= series.last_time.load(std::memory_order_relaxed)) continue;
      Append(series, entry.t, entry.v);
      min = std::min(min, entry.t);
      max = std::max(max, entry.t);
      ++appended;
    }
    for (const Entry& entry : late) {
      late_samples_appended_ += late_.Insert(entry.slot, entry.t, entry.v) ? 1 : 0;
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
  auto* const sealed =
      new (memory) SealedChunk{series.sealed.load(std::memory_order_relaxed), series.open_min,
                               series.open.last_time(), static_cast<uint32_t>(bytes.size())};
  std::memcpy(const_cast<char*>(sealed->bytes().data()), bytes.data(), bytes.size());
  series.sealed = sealed;
  chunk_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
  series.open = chunk::XorChunk();
}

std::unique_ptr<storage::SeriesSet> Head::Select(const std::vector<Matcher>& matchers,
                                                 TimeRange range) const {
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->guard_ = epochs_.Enter();
  base::SharedLock lock(mutex_);
  std::vector<Slot> slots = index_.Select(matchers);
  std::erase_if(slots, [&](Slot slot) {
    const HotSeries& series = hot_[slot];
    if (const TimeRange late = late_.RangeOf(slot);
        late.min <= range.max && late.max >= range.min) {
      return false;
    }
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
    const bool open = series.open.count() > 0 && series.open_min <= range.max;
    const std::string_view bytes = open ? series.open.bytes() : std::string_view();
    snapshot->rows_.push_back({index_.LabelsOf(slot), series.sealed, snapshot->open_.size(),
                               static_cast<uint32_t>(bytes.size()), DeletedOf(slot),
                               late_.ViewOf(slot)});
    snapshot->open_ += bytes;
  }
  return snapshot;
}

std::shared_ptr<const Intervals> Head::DeletedOf(Slot slot) const {
  const auto found = deleted_.find(slot);
  return found == deleted_.end() ? nullptr : found->second;
}

std::vector<Head::Deletion> Head::DeletionsFor(const std::vector<Matcher>& matchers,
                                               TimeRange range) const {
  base::SharedLock lock(mutex_);
  std::vector<Deletion> deletions;
  for (const Slot slot : index_.Select(matchers)) {
    const Timestamp newest = std::max(hot_[slot].last_time.load(), late_.RangeOf(slot).max);
    if (newest >= range.min) deletions.push_back({slot, {range.min, std::min(range.max, newest)}});
  }
  return deletions;
}

void Head::Delete(const std::vector<Deletion>& deletions) {
  base::MutexLock lock(mutex_);
  for (const auto& [slot, range] : deletions) {
    const auto before = DeletedOf(slot);
    Intervals intervals = before != nullptr ? *before : Intervals();
    intervals.Add(range);
    deleted_[slot] = std::make_shared<const Intervals>(std::move(intervals));
  }
}

void Head::RaiseValidTime(Timestamp t) {
  if (t > valid_time_) valid_time_ = t;
}

size_t Head::Truncate(Timestamp mint, bool empty_too) {
  std::vector<std::move_only_function<void()>> frees;
  size_t dropped = 0;
  Timestamp oldest = model::kTimestampMax;  // Of what stays.
  {
    base::MutexLock lock(mutex_);
    RaiseValidTime(mint);
    std::vector<Slot> gone;
    for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
      HotSeries& series = hot_[slot];
      if (series.removed) continue;
      // The list is newest first: everything behind the first chunk that is too old goes.
      std::atomic<SealedChunk*>* link = &series.sealed;
      Timestamp first = series.open.count() > 0 ? series.open_min : model::kTimestampMax;
      while (SealedChunk* const chunk = *link) {
        if (chunk->max < mint) break;
        first = chunk->min;
        link = &chunk->older;
      }
      if (SealedChunk* const old = link->exchange(nullptr)) {
        for (const SealedChunk* at = old; at != nullptr; at = at->older) {
          --chunks_;
          chunk_bytes_ -= at->size;
        }
        frees.emplace_back([old] { FreeList(old); });
      }
      const bool empty = series.open.count() == 0;
      const bool ended = !empty && series.last_time < mint;
      const bool never_used = empty && (empty_too || std::exchange(series.seen_empty, true));
      if ((!ended && !never_used) || late_.Has(slot)) {
        oldest = std::min(oldest, first);
        continue;
      }
      if (ended) --chunks_;
      series.removed = true;
      gone.push_back(slot);
      deleted_.erase(slot);
      // Readers copy open chunks under the lock, so that this one can go at once.
      series.open = chunk::XorChunk();
    }
    // A series that no record names yet must not be logged after it is gone.
    std::erase_if(unlogged_, [this](Slot slot) { return hot_[slot].removed.load(); });
    index_.Remove(gone);
    dropped = gone.size();
    series_ -= dropped;
    series_removed_ += dropped;
    for (auto& [slot, intervals] : deleted_) {
      if (late_.Has(slot)) continue;  // Older ones can hide late samples.
      Intervals kept;
      for (const TimeRange& range : intervals->ranges()) {
        if (range.max >= mint) kept.Add(range);
      }
      intervals = std::make_shared<const Intervals>(std::move(kept));
    }
    std::erase_if(deleted_, [](const auto& item) { return item.second->empty(); });
    GiveBlocksBack(frees);
    // Not just `mint`: where nothing was written for long, the next cut is far from this one.
    if (min_time_ < mint) min_time_ = std::max(mint, std::min(oldest, max_time_.load()));
    ++truncations_;
  }
  epochs_.Retire(std::move(frees));
  return dropped;
}

void Head::GiveBlocksBack(std::vector<std::move_only_function<void()>>& frees) {
  constexpr uint32_t kBlock = decltype(hot_)::kPerBlock;
  while (first_hot_ + kBlock <= hot_.size()) {
    for (Slot slot = first_hot_; slot < first_hot_ + kBlock; ++slot) {
      if (!hot_[slot].removed) return;
    }
    frees.emplace_back([block = hot_.TakeBlock(first_hot_)] {});
    first_hot_ += kBlock;
  }
}

std::vector<wal::Ref> Head::LiveRefs() const {
  base::SharedLock lock(mutex_);
  std::vector<wal::Ref> refs;
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    if (!hot_[slot].removed) refs.push_back(hot_[slot].ref);
  }
  std::ranges::sort(refs);
  return refs;
}

Head::BlockSource Head::SourceFor(TimeRange range) const {
  BlockSource source(*this, range);
  base::SharedLock lock(mutex_);
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    const HotSeries& series = hot_[slot];
    if (series.removed || series.open.count() == 0) continue;
    bool inside = range.Contains(series.open_min);
    for (const SealedChunk* at = series.sealed; at != nullptr && !inside; at = at->older) {
      inside = range.Contains(at->min);
    }
    const auto deleted = DeletedOf(slot);
    if (inside && (deleted == nullptr || !deleted->Cover(range))) source.slots_.push_back(slot);
  }
  index_.SortByLabels(source.slots_);
  return source;
}

std::vector<std::string_view> Head::BlockSource::symbols() const {
  base::SharedLock lock(head_.mutex_);
  return head_.index_.SymbolsOf(slots_);
}

base::Status Head::BlockSource::Chunks(size_t i, std::vector<ChunkView>& chunks) {
  chunks.clear();
  copies_.clear();
  std::shared_ptr<const Intervals> deleted;
  const auto add = [&](std::string_view bytes, Timestamp min, Timestamp max) {
    chunks.push_back({min, max, base::LoadBigEndian<uint16_t>(bytes.data()), bytes});
  };
  {
    base::SharedLock lock(head_.mutex_);
    const HotSeries& series = head_.hot_[slots_[i]];
    deleted = head_.DeletedOf(slots_[i]);
    if (range_.Contains(series.open_min)) {
      copies_.emplace_back(series.open.bytes());
      add(copies_.back(), series.open_min, series.last_time);
    }
    for (const SealedChunk* at = series.sealed; at != nullptr; at = at->older) {
      if (range_.Contains(at->min)) add(at->bytes(), at->min, at->max);
    }
  }
  std::ranges::reverse(chunks);
  if (deleted == nullptr) return {};

  std::vector<ChunkView> kept;
  for (const ChunkView& chunk : chunks) {
    model::SampleColumns samples;
    RETURN_IF_ERROR(chunk::DecodeXor(chunk.bytes, {}, samples));
    const size_t before = samples.size();
    deleted->RemoveFrom(samples, 0);
    if (samples.size() == before) {
      kept.push_back(chunk);
      continue;
    }
    if (samples.size() == 0) continue;
    chunk::XorChunk rest;
    for (size_t k = 0; k < samples.size(); ++k) rest.Append(samples.t[k], samples.v[k]);
    copies_.emplace_back(rest.bytes());
    kept.push_back({samples.t.front(), samples.t.back(), static_cast<uint16_t>(samples.size()),
                    copies_.back()});
  }
  chunks = std::move(kept);
  return {};
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
  result.series = series_;
  result.series_created = series_created_;
  result.series_removed = series_removed_;
  result.truncations = truncations_;
  result.chunks = chunks_;
  result.chunk_bytes = chunk_bytes_;
  result.samples_appended = samples_appended_;
  result.late_samples_appended = late_samples_appended_;
  result.min_time = min_time_;
  result.max_time = max_time_;
  return result;
}

Head::Memory Head::memory() const {
  base::SharedLock lock(mutex_);
  Memory result;
  result.hot = uint64_t{hot_.size() - first_hot_} * sizeof(HotSeries);
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    const HotSeries& series = hot_[slot];
    result.open_chunks += series.open.capacity();
    result.open_used += series.open.bytes().size();
    for (const SealedChunk* at = series.sealed; at != nullptr; at = at->older) {
      result.sealed += sizeof(SealedChunk) + at->size;
    }
  }
  result.index = index_.memory();
  return result;
}

SeriesIndex::Statistics Head::AnalyzeLabels(size_t limit) const {
  base::SharedLock lock(mutex_);
  return index_.Analyze(limit);
}

}  // namespace narthex::tsdb
