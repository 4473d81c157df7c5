// How the head comes back at start: series from the log, finished chunks from their files; and how
// a chunk comes back that is lost while it runs.

#include <algorithm>
#include <functional>

#include "chunk/xor_chunk.h"
#include "tsdb/head/head.h"

namespace narthex::tsdb {

using model::Labels;
using model::Timestamp;

Slot Head::Restore(const Labels& labels, wal::Ref ref) {
  base::MutexLock lock(mutex_);
  last_ref_ = std::max(last_ref_, ref);
  if (const auto slot = index_.Find(labels)) return *slot;
  return Create(labels, ref);
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

std::vector<Head::LostChunk> Head::FindLost(model::TimeRange range) const {
  std::vector<LostChunk> candidates;
  HeadChunks::View files;
  {
    base::SharedLock lock(mutex_);
    files = chunk_files_->view();
    for (Slot slot = first_hot_; slot < hot_.size(); ++slot) {
      if (hot_[slot].removed() || hot_[slot].sealed == SlabPool::kNone) continue;
      for (const SealedChunk& chunk : SealedOf(hot_[slot])) {
        if (range.Contains(chunk.range.min)) candidates.push_back({slot, chunk});
      }
    }
  }
  std::erase_if(candidates, [&files](const LostChunk& candidate) {
    const auto bytes = files.Read(candidate.chunk.location);
    model::SampleColumns samples;
    return bytes && chunk::DecodeXor(*bytes, {}, samples);
  });
  return candidates;
}

void Head::ReplaceLost(const LostChunk& lost, const model::SampleColumns& samples) {
  base::MutexLock lock(mutex_);
  HotSeries& series = hot_[lost.slot];
  if (series.removed() || series.sealed == SlabPool::kNone) return;
  std::vector<SealedChunk> chunks = SealedOf(series);
  const auto found = std::ranges::find(chunks, lost.chunk.location, &SealedChunk::location);
  if (found == chunks.end()) return;
  if (samples.size() == 0) {
    chunks.erase(found);
    --chunks_;
  } else {
    chunk::XorChunk anew;
    for (size_t i = 0; i < samples.size(); ++i) anew.Append(samples.t[i], samples.v[i]);
    found->range = {samples.t.front(), samples.t.back()};
    found->location = chunk_files_->Write({.ref = series.ref,
                                           .range = found->range,
                                           .encoding = chunk::Encoding::kXor,
                                           .out_of_order = false,
                                           .bytes = anew.bytes()});
  }
  pool_.Free(series.sealed);
  series.sealed = EncodeSealed(pool_, chunks);
}

}  // namespace narthex::tsdb
