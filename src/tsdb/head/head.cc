#include "tsdb/head/head.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "chunk/xor_chunk.h"

namespace narthex::tsdb {

using model::Labels;
using model::TimeRange;
using model::Timestamp;
using storage::Appended;

namespace {

// Stands for the value of a histogram where only bits of numbers are compared; no number has it.
constexpr uint64_t kHistogramBits = 0x7ff0000000000003;

// The stretch between two multiples of `width` that holds `t`.
TimeRange RangeAround(Timestamp t, int64_t width) {
  const int64_t above = t % width < 0 ? t % width + width : t % width;
  const Timestamp min = t < model::kTimestampMin + above ? model::kTimestampMin : t - above;
  const int64_t left = width - 1 - above;
  return {min, t > model::kTimestampMax - left ? model::kTimestampMax : t + left};
}

uint64_t Distance(Timestamp from, Timestamp to) {
  return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
}

// Most samples are of a few bytes: a call costs more than copying them.
void CopyShort(char* to, const char* from, size_t size) {
  const auto ends = [&]<class Word>(Word) {
    Word first;
    Word last;
    std::memcpy(&first, from, sizeof(Word));
    std::memcpy(&last, from + size - sizeof(Word), sizeof(Word));
    std::memcpy(to, &first, sizeof(Word));
    std::memcpy(to + size - sizeof(Word), &last, sizeof(Word));
  };
  if (size > 16) {
    std::memcpy(to, from, size);
  } else if (size >= 8) {
    ends(uint64_t{});
  } else if (size >= 4) {
    ends(uint32_t{});
  } else if (size >= 2) {
    ends(uint16_t{});
  } else if (size == 1) {
    *to = *from;
  }
}

// See Head::FullLength.
uint32_t FirstLength(Slot slot, uint32_t full) {
  const uint32_t least = full / 4;
  return least + (((slot * 2654435761u) >> 16) * (full - least + 1) >> 16);
}

}  // namespace

Head::Head(Options options)
    : options_(options),
      histograms_({.samples = options.samples_per_chunk, .range_ms = options.chunk_range_ms}) {}

Head::~Head() = default;

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

Labels Head::LabelsOf(Slot slot) const {
  base::SharedLock lock(mutex_);
  return index_.LabelsOf(slot);
}

bool Head::Knows(Slot slot) const {
  const HotSeries* const series = hot_.Find(slot);
  return series != nullptr && !series->removed();
}

std::optional<Labels> Head::LabelsIfKnown(Slot slot) const {
  base::SharedLock lock(mutex_);
  if (!Knows(slot)) return std::nullopt;
  return index_.LabelsOf(slot);
}

void Head::SetMetadata(Slot slot, const model::Metadata& metadata) {
  base::MutexLock lock(mutex_);
  if (Knows(slot)) metadata_[slot] = metadata;
}

bool Head::MetadataIs(Slot slot, const model::Metadata& metadata) const {
  base::SharedLock lock(mutex_);
  const auto found = metadata_.find(slot);
  return found != metadata_.end() && found->second == metadata;
}

Appended Head::Judge(Slot slot, Timestamp t, double v) const {
  const HotSeries* const found = hot_.Find(slot);
  if (found == nullptr || found->removed()) {
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

Appended Head::JudgeHistogram(Slot slot, Timestamp t, const chunk::Value& value) const {
  const Appended verdict = Judge(slot, t, std::bit_cast<double>(kHistogramBits));
  if (verdict != Appended::kSameAgain && verdict != Appended::kDuplicate) return verdict;
  base::SharedLock lock(mutex_);
  const bool same = hot_[slot].last_time == t && histograms_.EndsWith(slot, value);
  return same ? Appended::kSameAgain : Appended::kDuplicate;
}

Head::Form Head::FormOf(Slot slot) const {
  const HotSeries* const series = hot_.Find(slot);
  return series == nullptr ? Form::kNumbers : series->form.load(std::memory_order_relaxed);
}

struct Head::Tally {
  uint64_t numbers = 0;
  uint64_t histograms = 0;
  Timestamp min = model::kTimestampMax;
  Timestamp max = model::kTimestampMin;
  LateBatch* passed_over = nullptr;  // Null: nobody asks.

  void PassOver(const Entry& entry) {
    if (passed_over != nullptr) passed_over->numbers.push_back(entry);
  }
  void PassOver(const HistogramEntry& entry) {
    if (passed_over != nullptr) passed_over->histograms.push_back(entry);
  }
  void Count(Timestamp t, uint64_t& kind) {
    min = std::min(min, t);
    max = std::max(max, t);
    ++kind;
  }
};

void Head::Publish(const std::vector<Entry>& batch, std::span<const BatchPart> more,
                   const LateBatch& late, LateBatch* passed_over) {
  Tally tally{.passed_over = passed_over};
  {
    base::MutexLock lock(mutex_);
    PublishNumbers(batch, tally, scratch_);
    for (const BatchPart& part : more) {
      for (const HistogramEntry& entry : part.histograms) {
        const HotSeries& series = hot_[entry.slot];
        if ((series.flags & HotSeries::kWaiting) != 0) AttachWaiting(entry.slot, entry.t, scratch_);
        if (entry.t <= series.last_time.load(std::memory_order_relaxed)) {
          tally.PassOver(entry);
          continue;
        }
        AppendMixed(entry.slot, entry.t, entry.value, scratch_);
        tally.Count(entry.t, tally.histograms);
      }
      PublishNumbers(part.numbers, tally, scratch_);
    }
    for (const Entry& entry : late.numbers) {
      late_samples_appended_ += late_.Insert(entry.slot, entry.t, entry.v) ? 1 : 0;
    }
    for (const HistogramEntry& entry : late.histograms) {
      late_histograms_appended_ += late_.Insert(entry.slot, entry.t, entry.value) ? 1 : 0;
    }
    // Read by queries under the shared lock, so that they cover what they can see.
    CountTimes(tally.min, tally.max);
  }
  samples_appended_.fetch_add(tally.numbers, std::memory_order_relaxed);
  histograms_appended_.fetch_add(tally.histograms, std::memory_order_relaxed);
}

void Head::CountTimes(Timestamp min, Timestamp max) {
  Timestamp now = min_time_;
  while (min < now && !min_time_.compare_exchange_weak(now, min)) {
  }
  now = max_time_;
  while (max > now && !max_time_.compare_exchange_weak(now, max)) {
  }
}

// Without the lock, which is for those who come when the log has been read.
void Head::AppendReplayed(std::span<const Entry> batch,
                          Scratch& scratch) NO_THREAD_SAFETY_ANALYSIS {
  Tally tally;
  PublishNumbers(batch, tally, scratch);
  CountTimes(tally.min, tally.max);
  samples_appended_.fetch_add(tally.numbers, std::memory_order_relaxed);
}

void Head::PublishNumbers(std::span<const Entry> batch, Tally& tally, Scratch& scratch) {
  // Series lie apart in memory: their state is asked for well before it is needed, and their
  // buffers, whose place only the state tells, a little before.
  constexpr size_t kStateAhead = 16;
  constexpr size_t kBufferAhead = 8;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (i + kStateAhead < batch.size()) {
      __builtin_prefetch(&hot_[batch[i + kStateAhead].slot], 1);
    }
    if (i + kBufferAhead < batch.size()) {
      const Entry& next = batch[i + kBufferAhead];
      const HotSeries& ahead = hot_[next.slot];
      // A value that stays is two bits, which rarely begin a byte.
      const bool stays =
          ahead.last_bits.load(std::memory_order_relaxed) == std::bit_cast<uint64_t>(next.v);
      const bool in_byte = (ahead.open_bits + 7) / 8 == (ahead.open_bits + 2 + 7) / 8;
      if (ahead.open != SlabPool::kNone && !(stays && in_byte)) {
        __builtin_prefetch(pool_.At(ahead.open) + ahead.open_bits / 8, 1);
      }
    }
    const Entry& entry = batch[i];
    const HotSeries& series = hot_[entry.slot];
    if ((series.flags & HotSeries::kWaiting) != 0) [[unlikely]] {
      AttachWaiting(entry.slot, entry.t, scratch);
    }
    if (entry.t <= series.last_time.load(std::memory_order_relaxed)) [[unlikely]] {
      tally.PassOver(entry);
      continue;
    }
    if (series.form.load(std::memory_order_relaxed) == Form::kNumbers) [[likely]] {
      Append(entry.slot, entry.t, entry.v, scratch);
    } else {
      AppendMixed(entry.slot, entry.t, entry.v, scratch);
    }
    tally.Count(entry.t, tally.numbers);
  }
}

void Head::AppendMixed(Slot slot, Timestamp t, const chunk::Value& value, Scratch& scratch) {
  HotSeries& series = hot_[slot];
  if (series.open_count > 0) Seal(series, scratch);
  histograms_.Append(slot, t, value);
  Form form = series.form;  // Stays that of what a stale marker ends.
  uint64_t bits = kHistogramBits;
  if (const double* const number = std::get_if<double>(&value)) {
    bits = std::bit_cast<uint64_t>(*number);
    if (!model::IsStaleNan(*number)) form = Form::kNumber;
  } else {
    const bool whole = std::holds_alternative<model::IntegerHistogram>(value);
    form = whole ? Form::kWholeHistogram : Form::kFloatHistogram;
  }
  series.form.store(form, std::memory_order_relaxed);
  series.last_time.store(t, std::memory_order_relaxed);
  series.last_bits.store(bits, std::memory_order_relaxed);
}

// Were all series to finish their chunks at once, after all being at their largest, memory would
// peak: the first chunk of a range ends sooner, at a length of its own. Those behind it share what
// is left of the range evenly, so that none is short: each costs a header, its first sample in full
// and an entry of the index. At the pace of its newest samples a series fills the range.
uint32_t Head::FullLength(Slot slot, const HotSeries& series, TimeRange chunk_range) const {
  const uint32_t full = options_.samples_per_chunk;
  constexpr uint32_t kSpreadFrom = 16;
  if (full < kSpreadFrom || series.last_delta == 0) return full;
  const uint64_t left = Distance(series.open_min(), chunk_range.max) / series.last_delta + 1;
  if ((series.flags & HotSeries::kFirstInRange) != 0) {
    return left >= full + full / 4 ? FirstLength(slot, full) : 2 * full;
  }
  // A little of slack, for a pace that is not quite even.
  const uint64_t chunks = std::max<uint64_t>((left + left / 32) / full, 1);
  return static_cast<uint32_t>(
      std::clamp<uint64_t>((left + chunks - 1) / chunks + 1, full, 2 * uint64_t{full}));
}

bool Head::MustSeal(Slot slot, const HotSeries& series, Timestamp t, Scratch& scratch) const {
  if (!scratch.chunk_range.Contains(t)) {
    scratch.chunk_range = RangeAround(t, options_.chunk_range_ms);
  }
  const Timestamp open_min = series.open_min();
  if (open_min < scratch.chunk_range.min) return true;
  // What a cursor can count.
  constexpr uint32_t kOpenBitsMax = 30'000;
  if (series.open_bits > kOpenBitsMax || Distance(open_min, t) > UINT32_MAX) return true;
  const uint32_t full = options_.samples_per_chunk;
  const bool is_first = (series.flags & HotSeries::kFirstInRange) != 0;
  if (series.open_count < (is_first ? FirstLength(slot, full) : full)) return false;
  return series.open_count >= FullLength(slot, series, scratch.chunk_range);
}

void Head::Append(Slot slot, Timestamp t, double v, Scratch& scratch) {
  HotSeries& series = hot_[slot];
  if (series.open_count > 0 && MustSeal(slot, series, t, scratch)) {
    const bool next_range = series.open_min() < scratch.chunk_range.min;
    Seal(series, scratch);
    series.flags = static_cast<uint8_t>(series.flags & ~HotSeries::kFirstInRange) |
                   (next_range ? HotSeries::kFirstInRange : uint8_t{0});
  }
  if (series.open_count == 0) chunks_.fetch_add(1, std::memory_order_relaxed);
  WriteOpen(series, t, v);
}

// The buffer is as small as its bits allow, mostly without the room that writing in place needs:
// the sample is made beside it, behind the bits of the byte that it shares with the one before.
// What the series knows anyway, the count and the first time, is left out until somebody reads the
// chunk.
void Head::WriteOpen(HotSeries& series, Timestamp t, double v) {
  chunk::XorCursor cursor{.last_time = series.last_time.load(std::memory_order_relaxed),
                          .last_value = series.last_bits.load(std::memory_order_relaxed),
                          .last_delta = series.last_delta,
                          .bits = series.open_bits,
                          .count = series.open_count,
                          .leading = series.leading,
                          .trailing = series.trailing};
  const uint32_t first_byte = cursor.bits / 8;
  const uint32_t kept = series.open_bytes();
  // Same pace, same value: two bits of zero, which mostly stand there already.
  if (cursor.count >= 2 && t - cursor.last_time == cursor.last_delta &&
      std::bit_cast<uint64_t>(v) == cursor.last_value) {
    series.open_bits = static_cast<uint16_t>(cursor.bits + 2);
    series.open_count = static_cast<uint16_t>(cursor.count + 1);
    series.open_span += series.last_delta;
    series.last_time.store(t, std::memory_order_relaxed);
    if (const uint32_t size = series.open_bytes(); size > kept) {
      RoomFor(series, kept, size)[kept] = '\0';
    }
    return;
  }
  char made[chunk::kXorSampleBytesMax + 8];
  if (cursor.count == 0) {
    cursor = {.last_time = t, .last_value = std::bit_cast<uint64_t>(v), .bits = 64, .count = 1};
    base::StoreBigEndian(made, cursor.last_value);
    series.open_span = 0;
  } else {
    made[0] = cursor.bits % 8 == 0 ? '\0' : pool_.At(series.open)[first_byte];
    chunk::WriteXorSample(made, cursor.bits % 8, cursor, t, v);
    series.open_span += static_cast<uint32_t>(cursor.last_delta);
  }
  const uint32_t size = (cursor.bits + 7) / 8;
  CopyShort(RoomFor(series, kept, size) + first_byte, made, size - first_byte);
  series.last_time.store(t, std::memory_order_relaxed);
  series.last_bits.store(cursor.last_value, std::memory_order_relaxed);
  series.last_delta = static_cast<uint32_t>(cursor.last_delta);
  series.open_bits = static_cast<uint16_t>(cursor.bits);
  series.open_count = cursor.count;
  series.leading = cursor.leading;
  series.trailing = cursor.trailing;
}

// The buffer of the open chunk, with its first `kept` bytes and room for `size`.
char* Head::RoomFor(HotSeries& series, uint32_t kept, uint32_t size) {
  if (series.open == SlabPool::kNone || size > pool_.Capacity(series.open)) {
    series.open = pool_.Grow(series.open, kept, size);
  }
  return pool_.At(series.open);
}

void Head::Seal(HotSeries& series, Scratch& scratch) {
  const TimeRange range{series.open_min(), series.last_time};
  scratch.sealing.clear();
  AppendOpen(series, scratch.sealing);
  const HeadChunks::Location location = chunk_files_->Write({.ref = series.ref,
                                                             .range = range,
                                                             .encoding = chunk::Encoding::kXor,
                                                             .out_of_order = false,
                                                             .bytes = scratch.sealing});
  series.sealed = AppendSealed(pool_, series.sealed, {range, location});
  pool_.Free(series.open);
  series.open = SlabPool::kNone;
  series.open_span = 0;
  series.open_bits = 0;
  series.open_count = 0;
  series.leading = 0xff;
  series.trailing = 0;
}

void Head::AppendOpen(const HotSeries& series, std::string& out) const {
  if (series.open_count == 0) return;
  base::PutBigEndian(out, series.open_count);
  base::PutVarint(out, series.open_min());
  out.append(pool_.At(series.open), series.open_bytes());
}

std::vector<SealedChunk> Head::SealedOf(const HotSeries& series) const {
  return DecodeSealed(SealedBytes(pool_, series.sealed));
}

Timestamp Head::FirstTime(Slot slot) const {
  const HotSeries& series = hot_[slot];
  if (series.sealed != SlabPool::kNone) return SealedOf(series).front().range.min;
  if (series.open_count > 0) return series.open_min();
  return histograms_.FirstTime(slot);
}

std::shared_ptr<const Intervals> Head::DeletedOf(Slot slot) const {
  const auto found = deleted_.find(slot);
  return found == deleted_.end() ? nullptr : found->second;
}

Head::Statistics Head::statistics() const {
  Statistics result;
  result.series = series_;
  result.series_created = series_created_;
  result.series_removed = series_removed_;
  result.truncations = truncations_;
  result.chunks = chunks_ + histograms_.chunks();
  result.chunk_bytes = chunk_files_->bytes() + histograms_.chunk_bytes();
  result.samples_appended = samples_appended_;
  result.late_samples_appended = late_samples_appended_;
  result.late_histograms_appended = late_histograms_appended_;
  result.histograms_appended = histograms_appended_;
  result.min_time = min_time_;
  result.max_time = max_time_;
  return result;
}

void Head::Settle() {
  constexpr Slot kAtOnce = 4096;
  for (Slot begin = 0; begin < hot_.size(); begin += kAtOnce) {
    base::MutexLock lock(mutex_);
    const Slot end = std::min<Slot>(hot_.size(), begin + kAtOnce);
    for (Slot slot = std::max(begin, first_hot_); slot < end; ++slot) {
      HotSeries& series = hot_[slot];
      series.open = pool_.Settle(series.open);
      series.sealed = pool_.Settle(series.sealed);
    }
  }
}

Head::Memory Head::memory() const {
  base::SharedLock lock(mutex_);
  Memory result;
  result.hot = uint64_t{hot_.size() - first_hot_} * sizeof(HotSeries);
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    const HotSeries& series = hot_[slot];
    if (series.open != SlabPool::kNone) result.open_chunks += pool_.Capacity(series.open);
    if (series.sealed != SlabPool::kNone) result.sealed += pool_.Capacity(series.sealed);
    result.open_used += series.open_bytes();
  }
  result.slack = pool_.bytes() - result.open_chunks - result.sealed;
  result.sealed += chunk_files_->pending_bytes();
  result.index = index_.memory();
  return result;
}

SeriesIndex::Statistics Head::AnalyzeLabels(size_t limit) const {
  base::SharedLock lock(mutex_);
  return index_.Analyze(limit);
}

}  // namespace narthex::tsdb
