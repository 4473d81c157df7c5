#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/result.h"
#include "chunk/series_encoder.h"
#include "model/sample.h"
#include "tsdb/head/series_index.h"

namespace narthex::tsdb {

// The newest chunks of those series of a head that have native histograms: all samples from the
// first histogram on, numbers between them included. Guarded by its owner; the chunks that it
// gives out are immutable and outlive it.
class HistogramTable {
 public:
  using ChunkPtr = std::shared_ptr<const chunk::FinishedChunk>;
  explicit HistogramTable(chunk::SeriesEncoder::Limits limits) : limits_(limits) {}
  chunk::SeriesEncoder::Limits limits() const { return limits_; }

  // REQUIRES: t is larger than the last one of the series; histograms are valid.
  void Append(Slot slot, model::Timestamp t, const chunk::Value& value);
  bool EndsWith(Slot slot, const chunk::Value& value) const;

  // Of the oldest sample; kTimestampMax without any.
  model::Timestamp FirstTime(Slot slot) const;
  // In time order, the open one as a copy.
  std::vector<ChunkPtr> ChunksOverlapping(Slot slot, model::TimeRange range) const;
  std::vector<ChunkPtr> ChunksBeginningIn(Slot slot, model::TimeRange range) const;
  bool AnyBeginsIn(Slot slot, model::TimeRange range) const;

  // All that a series has, to be taken up by another table.
  struct State {
    std::vector<ChunkPtr> finished;
    ChunkPtr open;  // May be null.
  };
  State StateOf(Slot slot) const;
  // Error: kDataLoss, and then nothing has changed. REQUIRES: the series has nothing yet; chunks
  // are in time order.
  base::Status Restore(Slot slot, const State& state);
  // Takes over all that another has. REQUIRES: nothing has been appended.
  void TakeFrom(HistogramTable& other);

  // Drops finished chunks that end before `mint`.
  void Truncate(Slot slot, model::Timestamp mint);
  void Remove(Slot slot);

  // Open ones included; bytes of finished ones. Callable without the owner's lock.
  uint64_t chunks() const { return chunks_; }
  uint64_t chunk_bytes() const { return chunk_bytes_; }

 private:
  struct Series {
    explicit Series(chunk::SeriesEncoder::Limits limits) : encoder(limits) {}
    std::deque<ChunkPtr> finished;  // In time order.
    chunk::SeriesEncoder encoder;
  };

  const Series* Find(Slot slot) const;
  static ChunkPtr CopyOfOpen(const Series& series);
  void Forget(const ChunkPtr& chunk);

  const chunk::SeriesEncoder::Limits limits_;
  boost::unordered_flat_map<Slot, std::unique_ptr<Series>> series_;
  std::atomic<uint64_t> chunks_{0};
  std::atomic<uint64_t> chunk_bytes_{0};
};

}  // namespace narthex::tsdb
