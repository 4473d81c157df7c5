#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "chunk/series_encoder.h"
#include "model/sample.h"
#include "tsdb/head/series_index.h"

namespace narthex::tsdb {

// Samples that came after newer ones of their series ("out of order"), numbers and native
// histograms, until they are cut into blocks. Those of a series collect in a small sorted buffer,
// and full buffers become compressed chunks, which may overlap in time. Guarded by its owner: one
// writer, or many readers. Source: Prometheus, tsdb, out-of-order ingestion.
class LateSamples {
 public:
  struct Chunk;  // Immutable.
  // What a series has, for readers without the owner's lock. Chunks are shared.
  struct View {
    std::vector<std::shared_ptr<const Chunk>> chunks;
    model::SampleColumns buffer;

    bool empty() const { return chunks.empty() && buffer.size() == 0; }
    // Adds the samples within `range` to `out`, where those that are there already win.
    base::Status MergeInto(model::TimeRange range, model::SampleColumns& out) const;
  };

  explicit LateSamples(size_t buffer_max = 32);
  ~LateSamples();

  // False where the buffer of the series has that time: the first sample stays.
  bool Insert(Slot slot, model::Timestamp t, double v);
  // REQUIRES: a histogram is valid.
  bool Insert(Slot slot, model::Timestamp t, const chunk::Value& value);
  bool empty() const;
  bool Has(Slot slot) const;
  // Of the samples of a series; over min > max: none.
  model::TimeRange RangeOf(Slot slot) const;
  View ViewOf(Slot slot) const;
  // All samples of a series in time order, counts of histograms exactly.
  base::Result<std::vector<chunk::TimedValue>> Read(Slot slot) const;
  // Of all series; over min > max: none.
  model::TimeRange range() const;

  // What there is now before `limit`, to be cut into blocks, and the rest. Buffers are sealed. What
  // comes later is part of neither.
  struct Series {
    Slot slot;
    std::vector<std::shared_ptr<const Chunk>> chunks;

    // The samples within `range` in time order, counts of histograms exactly.
    base::Result<std::vector<chunk::TimedValue>> Read(model::TimeRange range) const;
  };
  struct Cut {
    std::vector<Series> series;  // By slot.
    std::vector<Series> rest;
    model::Timestamp limit = 0;
    uint64_t sequence = 0;
  };
  Cut Begin(model::Timestamp limit);
  // Forgets what a cut holds.
  void End(const Cut& cut);

  struct Statistics {
    uint64_t series = 0;
    uint64_t samples = 0;
    uint64_t chunks = 0;
    uint64_t bytes = 0;  // Of chunks.
  };
  Statistics statistics() const;

 private:
  struct Store;
  std::unique_ptr<Store> store_;
};

}  // namespace narthex::tsdb
