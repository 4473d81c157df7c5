// How samples come into series: what an open chunk becomes with each, and when it ends.

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "chunk/xor_code.h"
#include "tsdb/head/head.h"

namespace narthex::tsdb {

using model::TimeRange;
using model::Timestamp;

namespace {

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

// See Head::FullLength.
uint32_t FirstLength(Slot slot, uint32_t full) {
  const uint32_t least = full / 4;
  return least + (((slot * 2654435761u) >> 16) * (full - least + 1) >> 16);
}

}  // namespace

// The hot functions stand before those that call them, to become part of them.

// Whether the next sample may go beyond the tail, at the pace and in the window of the last one.
inline bool Head::MayEndWord(const HotSeries& series, double next) {
  const bool stays =
      series.last_bits.load(std::memory_order_relaxed) == std::bit_cast<uint64_t>(next);
  const unsigned window = series.leading == 0xff ? 64u : 64u - series.leading - series.trailing;
  return series.open_bits % 64 + (stays ? 2 : 14 + window) >= 64;
}

// The buffer of the open chunk, with its first `kept` bytes and room for `size`.
char* Head::RoomFor(HotSeries& series, uint32_t kept, uint32_t size) {
  if (series.open == SlabPool::kNone || size > pool_.Capacity(series.open)) {
    series.open = pool_.Grow(series.open, kept, size);
  }
  return pool_.At(series.open);
}

// The tail is full, and `next` is the new one. Afterwards open_bits goes over a multiple of 64.
void Head::EndWord(HotSeries& series, uint64_t next) {
  const uint32_t kept = series.open_bits / 64 * 8;
  base::StoreBigEndian(RoomFor(series, kept, kept + 8) + kept, series.tail);
  series.tail = next;
}

// REQUIRES: 1 <= count <= 64, no higher bits set.
inline void Head::PutOpen(HotSeries& series, uint64_t bits, unsigned count) {
  const unsigned end = series.open_bits % 64 + count;
  if (end < 64) {
    series.tail |= bits << (64 - end);
  } else {
    series.tail |= bits >> (end - 64);
    EndWord(series, end == 64 ? 0 : bits << (128 - end));
  }
  series.open_bits = static_cast<uint16_t>(series.open_bits + count);
}

// What the tail holds is now the first of `bits` bits in `bytes`.
void Head::SetOpenTail(HotSeries& series, std::string_view bytes, uint32_t bits) {
  series.open_bits = static_cast<uint16_t>(series.open_bits / 64 * 64);
  series.tail = 0;
  for (uint32_t done = 0; done < bits; done += 8) {
    const unsigned count = std::min<uint32_t>(bits - done, 8);
    PutOpen(series, static_cast<uint8_t>(bytes[done / 8]) >> (8 - count), count);
  }
}

// The last bits are in the series' own state, and go to its buffer eight bytes at a time: a buffer
// lies somewhere else for each series, so that most samples do without a look at theirs. What the
// series knows anyway, the count and the first time, is left out until somebody reads the chunk.
inline void Head::WriteOpen(HotSeries& series, Timestamp t, double v) {
  const Timestamp last_time = series.last_time.load(std::memory_order_relaxed);
  const auto value = std::bit_cast<uint64_t>(v);
  const uint64_t last_value = series.last_bits.load(std::memory_order_relaxed);
  // Same pace, same value: two bits of zero, which stand there already.
  if (series.open_count >= 2 && t - last_time == series.last_delta && value == last_value) {
    if (series.open_bits % 64 >= 62) EndWord(series, 0);
    series.open_bits = static_cast<uint16_t>(series.open_bits + 2);
    ++series.open_count;
    series.open_span += series.last_delta;
    series.last_time.store(t, std::memory_order_relaxed);
    return;
  }
  chunk::XorCursor cursor{.last_time = last_time,
                          .last_value = last_value,
                          .last_delta = series.last_delta,
                          .bits = series.open_bits,
                          .count = series.open_count,
                          .leading = series.leading,
                          .trailing = series.trailing};
  if (chunk::XorCode code; chunk::PutShortSample(code, cursor, t, v)) [[likely]] {
    PutOpen(series, code.prefix, code.prefix_bits);
    if (code.field_bits > 0) PutOpen(series, code.field, code.field_bits);
    series.open_span += static_cast<uint32_t>(cursor.last_delta);
  } else if (cursor.count == 0) {
    cursor = {.last_time = t, .last_value = value, .bits = 64, .count = 1};
    PutOpen(series, value, 64);
    series.open_span = 0;
  } else {
    char made[8 + chunk::kXorSampleBytesMax];
    base::StoreBigEndian(made, series.tail);
    const uint32_t in_tail = series.open_bits % 64;
    chunk::WriteXorSample(made, in_tail, cursor, t, v);
    SetOpenTail(series, {made, (in_tail + cursor.bits - series.open_bits + 7) / 8},
                in_tail + cursor.bits - series.open_bits);
    series.open_span += static_cast<uint32_t>(cursor.last_delta);
  }
  series.last_time.store(t, std::memory_order_relaxed);
  series.last_bits.store(value, std::memory_order_relaxed);
  series.last_delta = static_cast<uint32_t>(cursor.last_delta);
  series.open_count = cursor.count;
  series.leading = cursor.leading;
  series.trailing = cursor.trailing;
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

inline bool Head::MustSeal(Slot slot, const HotSeries& series, Timestamp t,
                           Scratch& scratch) const {
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

inline void Head::Append(Slot slot, Timestamp t, double v, Scratch& scratch) {
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
      if (ahead.open != SlabPool::kNone && MayEndWord(ahead, next.v)) {
        __builtin_prefetch(pool_.At(ahead.open) + ahead.open_bits / 64 * 8, 1);
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
  series.tail = 0;
  series.leading = 0xff;
  series.trailing = 0;
}

void Head::AppendOpen(const HotSeries& series, std::string& out) const {
  if (series.open_count == 0) return;
  base::PutBigEndian(out, series.open_count);
  base::PutVarint(out, series.open_min());
  AppendOpenBits(series, out);
}

void Head::AppendOpenBits(const HotSeries& series, std::string& out) const {
  const uint32_t words = series.open_bits / 64 * 8;
  if (words > 0) out.append(pool_.At(series.open), words);
  char tail[8];
  base::StoreBigEndian(tail, series.tail);
  out.append(tail, series.open_bytes() - words);
}

void Head::FillOpenBits(HotSeries& series, std::string_view bytes, uint16_t bits) {
  const uint32_t words = bits / 64 * 8;
  if (words > 0) {
    series.open = pool_.Allocate(words);
    std::memcpy(pool_.At(series.open), bytes.data(), words);
  }
  series.open_bits = static_cast<uint16_t>(words * 8);
  SetOpenTail(series, bytes.substr(words), bits % 64);
}

}  // namespace narthex::tsdb
