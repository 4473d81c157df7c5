#include "tsdb/head/head.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "chunk/xor_chunk.h"

namespace narthex::tsdb {

using model::Labels;
using model::Matcher;
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

// See Head::FullLength.
uint32_t FirstLength(Slot slot, uint32_t full) {
  const uint32_t least = full / 4;
  return least + (((slot * 2654435761u) >> 16) * (full - least + 1) >> 16);
}

}  // namespace

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

  void Count(Timestamp t, uint64_t& kind) {
    min = std::min(min, t);
    max = std::max(max, t);
    ++kind;
  }
};

void Head::Publish(const std::vector<Entry>& batch, std::span<const BatchPart> more,
                   const std::vector<Entry>& late) {
  Tally tally;
  {
    base::MutexLock lock(mutex_);
    PublishNumbers(batch, tally);
    for (const BatchPart& part : more) {
      for (const HistogramEntry& entry : part.histograms) {
        const HotSeries& series = hot_[entry.slot];
        if ((series.flags & HotSeries::kWaiting) != 0) AttachWaiting(entry.slot, entry.t);
        if (entry.t <= series.last_time.load(std::memory_order_relaxed)) continue;
        AppendMixed(entry.slot, entry.t, entry.value);
        tally.Count(entry.t, tally.histograms);
      }
      PublishNumbers(part.numbers, tally);
    }
    for (const Entry& entry : late) {
      late_samples_appended_ += late_.Insert(entry.slot, entry.t, entry.v) ? 1 : 0;
    }
    // Read by queries under the shared lock, so that they cover what they can see.
    if (tally.min < min_time_) min_time_ = tally.min;
    if (tally.max > max_time_) max_time_ = tally.max;
  }
  samples_appended_.fetch_add(tally.numbers, std::memory_order_relaxed);
  histograms_appended_.fetch_add(tally.histograms, std::memory_order_relaxed);
}

void Head::PublishNumbers(const std::vector<Entry>& batch, Tally& tally) {
  // Series lie apart in memory: their state is asked for well before it is needed, and their
  // buffers, whose place only the state tells, a little before.
  constexpr size_t kStateAhead = 16;
  constexpr size_t kBufferAhead = 8;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (i + kStateAhead < batch.size()) {
      __builtin_prefetch(&hot_[batch[i + kStateAhead].slot], 1);
    }
    if (i + kBufferAhead < batch.size()) {
      const HotSeries& ahead = hot_[batch[i + kBufferAhead].slot];
      if (ahead.open != SlabPool::kNone) {
        __builtin_prefetch(pool_.At(ahead.open) + ahead.open_bits / 8, 1);
      }
    }
    const Entry& entry = batch[i];
    const HotSeries& series = hot_[entry.slot];
    if (entry.t <= series.last_time.load(std::memory_order_relaxed)) continue;
    if ((series.flags & HotSeries::kWaiting) != 0) [[unlikely]] {
      AttachWaiting(entry.slot, entry.t);
      if (entry.t <= series.last_time.load(std::memory_order_relaxed)) continue;
    }
    if (series.form.load(std::memory_order_relaxed) == Form::kNumbers) [[likely]] {
      Append(entry.slot, entry.t, entry.v);
    } else {
      AppendMixed(entry.slot, entry.t, entry.v);
    }
    tally.Count(entry.t, tally.numbers);
  }
}

void Head::AppendMixed(Slot slot, Timestamp t, const chunk::Value& value) {
  HotSeries& series = hot_[slot];
  if (series.open_count > 0) Seal(series);
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
uint32_t Head::FullLength(Slot slot, const HotSeries& series) const {
  const uint32_t full = options_.samples_per_chunk;
  constexpr uint32_t kSpreadFrom = 16;
  if (full < kSpreadFrom || series.last_delta == 0) return full;
  const uint64_t left = Distance(series.open_min(), chunk_range_.max) / series.last_delta + 1;
  if ((series.flags & HotSeries::kFirstInRange) != 0) {
    return left >= full + full / 4 ? FirstLength(slot, full) : 2 * full;
  }
  // A little of slack, for a pace that is not quite even.
  const uint64_t chunks = std::max<uint64_t>((left + left / 32) / full, 1);
  return static_cast<uint32_t>(
      std::clamp<uint64_t>((left + chunks - 1) / chunks + 1, full, 2 * uint64_t{full}));
}

bool Head::MustSeal(Slot slot, const HotSeries& series, Timestamp t) {
  if (!chunk_range_.Contains(t)) {
    chunk_range_ = RangeAround(t, options_.chunk_range_ms);
  }
  const Timestamp open_min = series.open_min();
  if (open_min < chunk_range_.min) return true;
  // What a cursor can count.
  constexpr uint32_t kOpenBitsMax = 30'000;
  if (series.open_bits > kOpenBitsMax || Distance(open_min, t) > UINT32_MAX) return true;
  const uint32_t full = options_.samples_per_chunk;
  const bool is_first = (series.flags & HotSeries::kFirstInRange) != 0;
  if (series.open_count < (is_first ? FirstLength(slot, full) : full)) return false;
  return series.open_count >= FullLength(slot, series);
}

void Head::Append(Slot slot, Timestamp t, double v) {
  HotSeries& series = hot_[slot];
  if (series.open_count > 0 && MustSeal(slot, series, t)) {
    const bool next_range = series.open_min() < chunk_range_.min;
    Seal(series);
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
  char made[chunk::kXorSampleBytesMax + 8];
  char* buffer = series.open == SlabPool::kNone ? nullptr : pool_.At(series.open);
  if (cursor.count == 0) {
    cursor = {.last_time = t, .last_value = std::bit_cast<uint64_t>(v), .bits = 64, .count = 1};
    base::StoreBigEndian(made, cursor.last_value);
    series.open_span = 0;
  } else {
    made[0] = cursor.bits % 8 == 0 ? '\0' : buffer[first_byte];
    chunk::WriteXorSample(made, cursor.bits % 8, cursor, t, v);
    series.open_span += static_cast<uint32_t>(cursor.last_delta);
  }
  const uint32_t size = (cursor.bits + 7) / 8;
  if (buffer == nullptr || size > pool_.Capacity(series.open)) {
    series.open = pool_.Grow(series.open, kept, size);
    buffer = pool_.At(series.open);
  }
  std::memcpy(buffer + first_byte, made, size - first_byte);
  series.last_time.store(t, std::memory_order_relaxed);
  series.last_bits.store(cursor.last_value, std::memory_order_relaxed);
  series.last_delta = static_cast<uint32_t>(cursor.last_delta);
  series.open_bits = static_cast<uint16_t>(cursor.bits);
  series.open_count = cursor.count;
  series.leading = cursor.leading;
  series.trailing = cursor.trailing;
}

void Head::Seal(HotSeries& series) {
  const TimeRange range{series.open_min(), series.last_time};
  sealing_.clear();
  AppendOpen(series, sealing_);
  const HeadChunks::Location location = chunk_files_->Write({.ref = series.ref,
                                                             .range = range,
                                                             .encoding = chunk::Encoding::kXor,
                                                             .out_of_order = false,
                                                             .bytes = sealing_});
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

void Head::Attach(Slot slot, const std::vector<SealedChunk>& chunks) {
  base::MutexLock lock(mutex_);
  std::vector<SealedChunk>& all = waiting_[slot];
  all.insert(all.end(), chunks.begin(), chunks.end());
  std::ranges::sort(all, std::greater(), [](const SealedChunk& chunk) { return chunk.range.min; });
  hot_[slot].flags |= HotSeries::kWaiting;
}

void Head::AttachOne(HotSeries& series, const SealedChunk& chunk) {
  if (series.open_count > 0) Seal(series);
  series.sealed = AppendSealed(pool_, series.sealed, chunk);
  series.last_time = chunk.range.max;
  series.flags &= static_cast<uint8_t>(~HotSeries::kFirstInRange);
  chunks_.fetch_add(1, std::memory_order_relaxed);
  if (chunk.range.min < min_time_) min_time_ = chunk.range.min;
  if (chunk.range.max > max_time_) max_time_ = chunk.range.max;
}

void Head::AttachWaiting(Slot slot, Timestamp before) {
  const auto found = waiting_.find(slot);
  std::vector<SealedChunk>& chunks = found->second;  // Latest first.
  HotSeries& series = hot_[slot];
  // Behind histograms, numbers are kept with them: the log has these too.
  if (series.form != Form::kNumbers) chunks.clear();
  while (!chunks.empty() && chunks.back().range.min <= before) {
    // One that overlaps what the log has brought already is in the log too.
    if (chunks.back().range.min > series.last_time) AttachOne(series, chunks.back());
    chunks.pop_back();
  }
  if (!chunks.empty()) return;
  waiting_.erase(found);
  series.flags &= static_cast<uint8_t>(~HotSeries::kWaiting);
}

base::Status Head::FinishRestore() {
  base::MutexLock lock(mutex_);
  std::vector<Slot> slots;
  for (const auto& [slot, chunks] : waiting_) slots.push_back(slot);
  for (const Slot slot : slots) AttachWaiting(slot, model::kTimestampMax);
  HeadChunks::View files = chunk_files_->view();
  files.Map();
  std::string scratch;
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    HotSeries& series = hot_[slot];
    if (series.open_count > 0 || series.sealed == SlabPool::kNone ||
        series.form != Form::kNumbers) {
      continue;
    }
    // The newest value, which tells a repeated sample from another one at its time.
    ASSIGN_OR_RETURN(const std::string_view bytes,
                     files.ReadInto(SealedOf(series).back().location, scratch));
    model::SampleColumns samples;
    RETURN_IF_ERROR(chunk::DecodeXor(bytes, {}, samples));
    if (samples.size() > 0) series.last_bits = std::bit_cast<uint64_t>(samples.v.back());
  }
  return {};
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
      if (series.removed()) continue;
      if (series.form != Form::kNumbers) histograms_.Truncate(slot, mint);
      if (series.sealed != SlabPool::kNone) {
        std::vector<SealedChunk> chunks = SealedOf(series);
        const size_t old = std::erase_if(
            chunks, [mint](const SealedChunk& chunk) { return chunk.range.max < mint; });
        if (old > 0) {
          chunks_ -= old;
          pool_.Free(series.sealed);
          series.sealed = EncodeSealed(pool_, chunks);
        }
      }
      const bool empty = series.empty();
      const bool ended = !empty && series.last_time < mint;
      const bool seen = (series.flags & HotSeries::kSeenEmpty) != 0;
      const bool never_used = empty && (empty_too || seen);
      if (empty) series.flags |= HotSeries::kSeenEmpty;
      const Timestamp first = empty ? model::kTimestampMax : FirstTime(slot);
      if ((!ended && !never_used) || late_.Has(slot)) {
        oldest = std::min(oldest, first);
        continue;
      }
      if (series.form != Form::kNumbers) histograms_.Remove(slot);
      if (series.open_count > 0) --chunks_;
      series.form = Form::kRemoved;
      gone.push_back(slot);
      deleted_.erase(slot);
      metadata_.erase(slot);
      // Readers copy open chunks under the lock, so that this one can go at once.
      pool_.Free(series.open);
      series.open = SlabPool::kNone;
      series.open_count = 0;
      series.open_bits = 0;
    }
    // A series that no record names yet must not be logged after it is gone.
    std::erase_if(unlogged_, [this](Slot slot) { return hot_[slot].removed(); });
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
      if (!hot_[slot].removed()) return;
    }
    frees.emplace_back([block = hot_.TakeBlock(first_hot_)] {});
    first_hot_ += kBlock;
  }
}

std::vector<wal::Ref> Head::LiveRefs() const {
  base::SharedLock lock(mutex_);
  std::vector<wal::Ref> refs;
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    if (!hot_[slot].removed()) refs.push_back(hot_[slot].ref);
  }
  std::ranges::sort(refs);
  return refs;
}

Head::BlockSource Head::SourceFor(TimeRange range) const {
  BlockSource source(*this, range);
  base::SharedLock lock(mutex_);
  source.files_ = chunk_files_->view();
  source.files_.Map();
  for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
    const HotSeries& series = hot_[slot];
    if (series.removed() || series.empty()) continue;
    bool inside = series.open_count > 0 && range.Contains(series.open_min());
    if (series.form != Form::kNumbers) inside |= histograms_.AnyBeginsIn(slot, range);
    if (!inside && series.sealed != SlabPool::kNone) {
      inside = std::ranges::any_of(SealedOf(series), [&](const SealedChunk& chunk) {
        return range.Contains(chunk.range.min);
      });
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
  held_.clear();
  std::shared_ptr<const Intervals> deleted;
  std::vector<SealedChunk> sealed;
  std::string open;
  TimeRange open_range;
  {
    base::SharedLock lock(head_.mutex_);
    const HotSeries& series = head_.hot_[slots_[i]];
    deleted = head_.DeletedOf(slots_[i]);
    sealed = head_.SealedOf(series);
    if (series.form != Form::kNumbers) {
      held_ = head_.histograms_.ChunksBeginningIn(slots_[i], range_);
    }
    open_range = {series.open_min(), series.last_time};
    if (series.open_count > 0 && range_.Contains(open_range.min)) head_.AppendOpen(series, open);
  }
  const auto add = [&](std::string_view bytes, TimeRange range) {
    chunks.push_back({range.min, range.max, base::LoadBigEndian<uint16_t>(bytes.data()), bytes});
  };
  for (const SealedChunk& chunk : sealed) {
    if (!range_.Contains(chunk.range.min)) continue;
    // Where the mapping does not have it, its bytes need a place.
    copies_.emplace_back();
    ASSIGN_OR_RETURN(const std::string_view bytes, files_.ReadInto(chunk.location, copies_.back()));
    if (bytes.size() < 2) return base::Fail(base::Code::kDataLoss, "head chunk: no header");
    add(bytes, chunk.range);
  }
  if (!open.empty()) {
    copies_.push_back(std::move(open));
    add(copies_.back(), open_range);
  }
  for (const HistogramTable::ChunkPtr& chunk : held_) {
    chunks.push_back({chunk->min, chunk->max, chunk->samples, chunk->bytes, chunk->encoding});
  }
  if (deleted == nullptr) return {};

  std::vector<ChunkView> kept;
  for (const ChunkView& chunk : chunks) {
    if (chunk.encoding != chunk::Encoding::kXor) {
      std::vector<chunk::TimedValue> values;
      RETURN_IF_ERROR(chunk::Decode(chunk.encoding, chunk.bytes, TimeRange(), values));
      if (deleted->RemoveFrom(values) == 0) {
        kept.push_back(chunk);
        continue;
      }
      for (chunk::FinishedChunk& part : chunk::Encode(values)) {
        copies_.push_back(std::move(part.bytes));
        kept.push_back({part.min, part.max, part.samples, copies_.back(), part.encoding});
      }
      continue;
    }
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
  result.chunks = chunks_ + histograms_.chunks();
  result.chunk_bytes = chunk_files_->bytes() + histograms_.chunk_bytes();
  result.samples_appended = samples_appended_;
  result.late_samples_appended = late_samples_appended_;
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
