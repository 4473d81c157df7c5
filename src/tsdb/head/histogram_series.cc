#include "tsdb/head/histogram_series.h"

#include <string>

namespace narthex::tsdb {

using model::TimeRange;
using model::Timestamp;

const HistogramTable::Series* HistogramTable::Find(Slot slot) const {
  const auto found = series_.find(slot);
  return found == series_.end() ? nullptr : found->second.get();
}

void HistogramTable::Append(Slot slot, Timestamp t, const chunk::Value& value) {
  std::unique_ptr<Series>& series = series_[slot];
  if (series == nullptr) series = std::make_unique<Series>(limits_);
  const bool had_open = series->encoder.has_open();
  series->encoder.Append(t, value);
  if (!had_open) ++chunks_;
  for (chunk::FinishedChunk& chunk : series->encoder.TakeFinished()) {
    ++chunks_;  // For the one that is open now.
    chunk_bytes_ += chunk.bytes.size();
    series->finished.push_back(std::make_shared<const chunk::FinishedChunk>(std::move(chunk)));
  }
}

bool HistogramTable::EndsWith(Slot slot, const chunk::Value& value) const {
  const Series* const series = Find(slot);
  return series != nullptr && series->encoder.EndsWith(value);
}

Timestamp HistogramTable::FirstTime(Slot slot) const {
  const Series* const series = Find(slot);
  if (series == nullptr) return model::kTimestampMax;
  if (!series->finished.empty()) return series->finished.front()->min;
  return series->encoder.has_open() ? series->encoder.open_min() : model::kTimestampMax;
}

HistogramTable::ChunkPtr HistogramTable::CopyOfOpen(const Series& series) {
  const chunk::SeriesEncoder& open = series.encoder;
  return std::make_shared<const chunk::FinishedChunk>(chunk::FinishedChunk{
      open.encoding(), open.open_min(), open.last_time(), open.count(), std::string(open.bytes())});
}

std::vector<HistogramTable::ChunkPtr> HistogramTable::ChunksOverlapping(Slot slot,
                                                                        TimeRange range) const {
  std::vector<ChunkPtr> chunks;
  const Series* const series = Find(slot);
  if (series == nullptr) return chunks;
  for (const ChunkPtr& chunk : series->finished) {
    if (chunk->min <= range.max && range.min <= chunk->max) chunks.push_back(chunk);
  }
  const chunk::SeriesEncoder& open = series->encoder;
  if (open.has_open() && open.open_min() <= range.max && range.min <= open.last_time()) {
    chunks.push_back(CopyOfOpen(*series));
  }
  return chunks;
}

std::vector<HistogramTable::ChunkPtr> HistogramTable::ChunksBeginningIn(Slot slot,
                                                                        TimeRange range) const {
  std::vector<ChunkPtr> chunks;
  const Series* const series = Find(slot);
  if (series == nullptr) return chunks;
  for (const ChunkPtr& chunk : series->finished) {
    if (range.Contains(chunk->min)) chunks.push_back(chunk);
  }
  if (series->encoder.has_open() && range.Contains(series->encoder.open_min())) {
    chunks.push_back(CopyOfOpen(*series));
  }
  return chunks;
}

bool HistogramTable::AnyBeginsIn(Slot slot, TimeRange range) const {
  const Series* const series = Find(slot);
  if (series == nullptr) return false;
  for (const ChunkPtr& chunk : series->finished) {
    if (range.Contains(chunk->min)) return true;
  }
  return series->encoder.has_open() && range.Contains(series->encoder.open_min());
}

HistogramTable::State HistogramTable::StateOf(Slot slot) const {
  State state;
  const Series* const series = Find(slot);
  if (series == nullptr) return state;
  state.finished.assign(series->finished.begin(), series->finished.end());
  if (series->encoder.has_open()) state.open = CopyOfOpen(*series);
  return state;
}

base::Status HistogramTable::Restore(Slot slot, const State& state) {
  if (state.finished.empty() && state.open == nullptr) return {};
  auto series = std::make_unique<Series>(limits_);
  series->finished.assign(state.finished.begin(), state.finished.end());
  if (state.open != nullptr) {
    ASSIGN_OR_RETURN(const bool resumed, series->encoder.Resume(*state.open));
    if (!resumed) series->finished.push_back(state.open);
  }
  for (const ChunkPtr& chunk : series->finished) chunk_bytes_ += chunk->bytes.size();
  chunks_ += series->finished.size() + (series->encoder.has_open() ? 1 : 0);
  series_[slot] = std::move(series);
  return {};
}

void HistogramTable::TakeFrom(HistogramTable& other) {
  series_ = std::move(other.series_);
  chunks_ = other.chunks_.exchange(0);
  chunk_bytes_ = other.chunk_bytes_.exchange(0);
}

void HistogramTable::Forget(const ChunkPtr& chunk) {
  --chunks_;
  chunk_bytes_ -= chunk->bytes.size();
}

void HistogramTable::Truncate(Slot slot, Timestamp mint) {
  const auto found = series_.find(slot);
  if (found == series_.end()) return;
  std::deque<ChunkPtr>& finished = found->second->finished;
  while (!finished.empty() && finished.front()->max < mint) {
    Forget(finished.front());
    finished.pop_front();
  }
}

void HistogramTable::Remove(Slot slot) {
  const auto found = series_.find(slot);
  if (found == series_.end()) return;
  for (const ChunkPtr& chunk : found->second->finished) Forget(chunk);
  if (found->second->encoder.has_open()) --chunks_;
  series_.erase(found);
}

}  // namespace narthex::tsdb
