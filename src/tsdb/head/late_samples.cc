#include "tsdb/head/late_samples.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <span>

#include "chunk/xor_chunk.h"
#include "storage/merge.h"

namespace narthex::tsdb {

using model::TimeRange;
using model::Timestamp;

struct LateSamples::Chunk {
  TimeRange range;
  uint64_t sequence;  // Counts up with every seal.
  size_t samples;
  std::string bytes;  // In the XOR encoding.
};

namespace {

struct Entry {
  std::vector<std::shared_ptr<const LateSamples::Chunk>> chunks;
  std::vector<model::Sample> buffer;  // In time order.
};

void Extend(TimeRange& range, TimeRange by) {
  range.min = std::min(range.min, by.min);
  range.max = std::max(range.max, by.max);
}

constexpr TimeRange kNothing{model::kTimestampMax, model::kTimestampMin};

TimeRange RangeOfEntry(const Entry& entry) {
  TimeRange range = kNothing;
  for (const auto& chunk : entry.chunks) Extend(range, chunk->range);
  if (!entry.buffer.empty()) Extend(range, {entry.buffer.front().t, entry.buffer.back().t});
  return range;
}

}  // namespace

struct LateSamples::Store {
  explicit Store(size_t max) : buffer_max(max) {}

  std::shared_ptr<const Chunk> Encode(std::span<const model::Sample> samples) const {
    chunk::XorChunk encoded;
    for (const model::Sample& sample : samples) encoded.Append(sample.t, sample.v);
    return std::make_shared<const Chunk>(Chunk{{samples.front().t, samples.back().t},
                                               sequence,
                                               samples.size(),
                                               std::string(encoded.bytes())});
  }

  void Seal(Entry& entry) {
    if (entry.buffer.empty()) return;
    entry.chunks.push_back(Encode(entry.buffer));
    entry.buffer = {};
  }

  // So that no chunk of the series lies on both sides of `limit`.
  void Split(Entry& entry, Timestamp limit) {
    std::vector<std::shared_ptr<const Chunk>> chunks;
    for (auto& chunk : entry.chunks) {
      model::SampleColumns decoded;
      // Bytes of ours, which decode.
      if (chunk->range.max < limit || chunk->range.min >= limit ||
          !chunk::DecodeXor(chunk->bytes, {}, decoded)) {
        chunks.push_back(std::move(chunk));
        continue;
      }
      std::vector<model::Sample> samples;
      for (size_t i = 0; i < decoded.size(); ++i) samples.push_back({decoded.t[i], decoded.v[i]});
      const auto middle = std::ranges::lower_bound(samples, limit, {}, &model::Sample::t);
      chunks.push_back(Encode({samples.begin(), middle}));
      chunks.push_back(Encode({middle, samples.end()}));
    }
    entry.chunks = std::move(chunks);
  }

  const size_t buffer_max;
  boost::unordered_flat_map<Slot, Entry> series;
  uint64_t sequence = 1;
};

LateSamples::LateSamples(size_t buffer_max) : store_(std::make_unique<Store>(buffer_max)) {}
LateSamples::~LateSamples() = default;

bool LateSamples::Insert(Slot slot, Timestamp t, double v) {
  Entry& entry = store_->series[slot];
  const auto at = std::ranges::lower_bound(entry.buffer, t, {}, &model::Sample::t);
  if (at != entry.buffer.end() && at->t == t) return false;
  entry.buffer.insert(at, {t, v});
  if (entry.buffer.size() >= store_->buffer_max) store_->Seal(entry);
  return true;
}

bool LateSamples::empty() const { return store_->series.empty(); }

bool LateSamples::Has(Slot slot) const { return store_->series.contains(slot); }

TimeRange LateSamples::RangeOf(Slot slot) const {
  const auto found = store_->series.find(slot);
  return found == store_->series.end() ? kNothing : RangeOfEntry(found->second);
}

TimeRange LateSamples::range() const {
  TimeRange range = kNothing;
  for (const auto& [slot, entry] : store_->series) Extend(range, RangeOfEntry(entry));
  return range;
}

LateSamples::View LateSamples::ViewOf(Slot slot) const {
  View view;
  const auto found = store_->series.find(slot);
  if (found == store_->series.end()) return view;
  view.chunks = found->second.chunks;
  for (const model::Sample& sample : found->second.buffer) view.buffer.Add(sample.t, sample.v);
  return view;
}

base::Status LateSamples::View::MergeInto(TimeRange range, model::SampleColumns& out) const {
  model::SampleColumns more;
  for (const auto& chunk : chunks) {
    if (chunk->range.min > range.max || chunk->range.max < range.min) continue;
    more.clear();
    RETURN_IF_ERROR(chunk::DecodeXor(chunk->bytes, range, more));
    storage::MergeSamples(out, more);
  }
  more.clear();
  for (size_t i = 0; i < buffer.size(); ++i) {
    if (range.Contains(buffer.t[i])) more.AddFrom(buffer, i);
  }
  storage::MergeSamples(out, more);
  return {};
}

LateSamples::Cut LateSamples::Begin(Timestamp limit) {
  Cut cut{.series = {}, .rest = {}, .limit = limit, .sequence = store_->sequence};
  for (auto& [slot, entry] : store_->series) {
    store_->Seal(entry);
    store_->Split(entry, limit);
    Series before{slot, {}};
    Series behind{slot, {}};
    for (const auto& chunk : entry.chunks) {
      (chunk->range.max < limit ? before : behind).chunks.push_back(chunk);
    }
    if (!before.chunks.empty()) cut.series.push_back(std::move(before));
    if (!behind.chunks.empty()) cut.rest.push_back(std::move(behind));
  }
  std::ranges::sort(cut.series, {}, &Series::slot);
  ++store_->sequence;
  return cut;
}

void LateSamples::End(const Cut& cut) {
  for (const Series& cut_series : cut.series) {
    const auto found = store_->series.find(cut_series.slot);
    if (found == store_->series.end()) continue;
    Entry& entry = found->second;
    std::erase_if(entry.chunks, [&](const auto& chunk) {
      return chunk->sequence <= cut.sequence && chunk->range.max < cut.limit;
    });
    if (entry.chunks.empty() && entry.buffer.empty()) store_->series.erase(found);
  }
}

LateSamples::Statistics LateSamples::statistics() const {
  Statistics result;
  result.series = store_->series.size();
  for (const auto& [slot, entry] : store_->series) {
    result.samples += entry.buffer.size();
    result.chunks += entry.chunks.size();
    for (const auto& chunk : entry.chunks) {
      result.samples += chunk->samples;
      result.bytes += chunk->bytes.size();
    }
  }
  return result;
}

}  // namespace narthex::tsdb
