#include "tsdb/head/late_samples.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>

#include "storage/merge.h"

namespace narthex::tsdb {

using model::TimeRange;
using model::Timestamp;

struct LateSamples::Chunk {
  TimeRange range;
  uint64_t sequence;  // Counts up with every seal.
  size_t samples;
  chunk::Encoding encoding;
  std::string bytes;
};

namespace {

// A chunk::Value takes ten times the room of a number.
struct Item {
  Timestamp t;
  double v;
  std::shared_ptr<const chunk::Value> histogram;  // Null: a number.
};

struct Entry {
  std::vector<std::shared_ptr<const LateSamples::Chunk>> chunks;
  std::vector<Item> buffer;  // In time order.
};

model::HistogramPtr FloatsOf(const chunk::Value& value) {
  const auto* const whole = std::get_if<model::IntegerHistogram>(&value);
  return std::make_shared<const model::FloatHistogram>(
      whole != nullptr ? whole->ToFloat() : std::get<model::FloatHistogram>(value));
}

// Adds samples whose times `into` does not have.
void Merge(std::vector<chunk::TimedValue>& into, std::vector<chunk::TimedValue> more) {
  std::vector<chunk::TimedValue> both;
  both.reserve(into.size() + more.size());
  size_t a = 0;
  for (chunk::TimedValue& sample : more) {
    while (a < into.size() && into[a].t < sample.t) both.push_back(std::move(into[a++]));
    if (a == into.size() || into[a].t != sample.t) both.push_back(std::move(sample));
  }
  while (a < into.size()) both.push_back(std::move(into[a++]));
  into = std::move(both);
}

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

  // More than one chunk where numbers and histograms take turns.
  void Encode(const std::vector<chunk::TimedValue>& samples,
              std::vector<std::shared_ptr<const Chunk>>& out) const {
    for (chunk::FinishedChunk& chunk : chunk::Encode(samples)) {
      out.push_back(std::make_shared<const Chunk>(Chunk{{chunk.min, chunk.max},
                                                        sequence,
                                                        chunk.samples,
                                                        chunk.encoding,
                                                        std::move(chunk.bytes)}));
    }
  }

  static std::vector<chunk::TimedValue> Buffered(const Entry& entry) {
    std::vector<chunk::TimedValue> samples;
    for (const Item& item : entry.buffer) {
      samples.push_back({item.t, item.histogram ? *item.histogram : chunk::Value(item.v)});
    }
    return samples;
  }

  void Seal(Entry& entry) {
    Encode(Buffered(entry), entry.chunks);
    entry.buffer = {};
  }

  bool Insert(Slot slot, Item item) {
    Entry& entry = series[slot];
    const auto at = std::ranges::lower_bound(entry.buffer, item.t, {}, &Item::t);
    if (at != entry.buffer.end() && at->t == item.t) return false;
    entry.buffer.insert(at, std::move(item));
    if (entry.buffer.size() >= buffer_max) Seal(entry);
    return true;
  }

  // So that no chunk of the series lies on both sides of `limit`.
  void Split(Entry& entry, Timestamp limit) {
    std::vector<std::shared_ptr<const Chunk>> chunks;
    for (auto& chunk : entry.chunks) {
      std::vector<chunk::TimedValue> samples;
      // Bytes of ours, which decode.
      if (chunk->range.max < limit || chunk->range.min >= limit ||
          !chunk::Decode(chunk->encoding, chunk->bytes, TimeRange(), samples)) {
        chunks.push_back(std::move(chunk));
        continue;
      }
      const auto middle = std::ranges::lower_bound(samples, limit, {}, &chunk::TimedValue::t);
      const std::vector<chunk::TimedValue> behind(middle, samples.end());
      samples.erase(middle, samples.end());
      Encode(samples, chunks);
      Encode(behind, chunks);
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
  return store_->Insert(slot, {t, v, nullptr});
}

bool LateSamples::Insert(Slot slot, Timestamp t, const chunk::Value& value) {
  if (const double* const v = std::get_if<double>(&value)) return Insert(slot, t, *v);
  return store_->Insert(slot, {t, 0, std::make_shared<const chunk::Value>(value)});
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
  for (const Item& item : found->second.buffer) {
    if (item.histogram != nullptr) {
      view.buffer.Add(item.t, FloatsOf(*item.histogram));
    } else {
      view.buffer.Add(item.t, item.v);
    }
  }
  return view;
}

base::Status LateSamples::View::MergeInto(TimeRange range, model::SampleColumns& out) const {
  model::SampleColumns more;
  for (const auto& chunk : chunks) {
    if (chunk->range.min > range.max || chunk->range.max < range.min) continue;
    more.clear();
    RETURN_IF_ERROR(chunk::Decode(chunk->encoding, chunk->bytes, range, more));
    storage::MergeSamples(out, more);
  }
  more.clear();
  for (size_t i = 0; i < buffer.size(); ++i) {
    if (range.Contains(buffer.t[i])) more.AddFrom(buffer, i);
  }
  storage::MergeSamples(out, more);
  return {};
}

base::Result<std::vector<chunk::TimedValue>> LateSamples::Series::Read(TimeRange range) const {
  std::vector<chunk::TimedValue> samples;
  for (const auto& chunk : chunks) {
    if (chunk->range.min > range.max || chunk->range.max < range.min) continue;
    std::vector<chunk::TimedValue> more;
    RETURN_IF_ERROR(chunk::Decode(chunk->encoding, chunk->bytes, range, more));
    Merge(samples, std::move(more));
  }
  return samples;
}

base::Result<std::vector<chunk::TimedValue>> LateSamples::Read(Slot slot) const {
  const auto found = store_->series.find(slot);
  if (found == store_->series.end()) return std::vector<chunk::TimedValue>();
  ASSIGN_OR_RETURN(std::vector<chunk::TimedValue> samples,
                   (Series{slot, found->second.chunks}.Read(TimeRange())));
  Merge(samples, Store::Buffered(found->second));
  return samples;
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
