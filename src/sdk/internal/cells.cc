#include "sdk/internal/cells.h"

#include <thread>

namespace narthex::sdk::internal {

uint32_t AssignThreadOrdinal() {
  static std::atomic<uint32_t> next{0};
  uint32_t ordinal = ++next;
  if (ordinal == 0) ordinal = ++next;  // After 2^32 threads; 0 stays "not yet given".
  this_thread_ordinal = ordinal;
  return ordinal;
}

HistogramCell::Shard::Shard(uint32_t ordinal, size_t buckets)
    : owner(ordinal),
      owned_counts(std::make_unique<std::atomic<uint64_t>[]>(buckets)),
      shared_counts(std::make_unique<std::atomic<uint64_t>[]>(buckets)) {}

void HistogramCell::Shard::RecordShared(size_t bucket, double value) {
  shared_counts[bucket].fetch_add(1, std::memory_order_relaxed);
  shared.sum.fetch_add(value, std::memory_order_relaxed);
  double seen = shared.min.load(std::memory_order_relaxed);
  while (value < seen && !shared.min.compare_exchange_weak(seen, value)) {
  }
  seen = shared.max.load(std::memory_order_relaxed);
  while (value > seen && !shared.max.compare_exchange_weak(seen, value)) {
  }
}

void SpinLock::Lock() {
  while (held_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
}

void HistogramCell::Shard::RecordLocked(size_t bucket, double value) {
  SpinGuard guard(lock);
  RecordOwned(bucket, value);
}

HistogramCell::Totals HistogramCell::Collect(std::span<uint64_t> counts) {
  Totals totals;
  const auto take = [&](Part& part, std::atomic<uint64_t>* part_counts) {
    for (size_t i = 0; i < counts.size(); ++i) {
      const uint64_t count = part_counts[i].load(std::memory_order_relaxed);
      counts[i] += count;
      totals.count += count;
      if (shape_->is_delta) part_counts[i].store(0, std::memory_order_relaxed);
    }
    totals.sum += part.sum.load(std::memory_order_relaxed);
    totals.min = std::min(totals.min, part.min.load(std::memory_order_relaxed));
    totals.max = std::max(totals.max, part.max.load(std::memory_order_relaxed));
    if (shape_->is_delta) {
      part.sum.store(0, std::memory_order_relaxed);
      part.min.store(std::numeric_limits<double>::infinity(), std::memory_order_relaxed);
      part.max.store(-std::numeric_limits<double>::infinity(), std::memory_order_relaxed);
    }
  };
  shards_.ForEach([&](Shard& shard) {
    if (shape_->is_delta) shard.lock.Lock();
    take(shard.owned, shard.owned_counts.get());
    take(shard.shared, shard.shared_counts.get());
    if (shape_->is_delta) shard.lock.Unlock();
  });
  return totals;
}

ExponentialHistogram ExponentialCell::Collect() {
  ExponentialHistogram merged(*shape_);
  shards_.ForEach([&](Shard& shard) {
    SpinGuard guard(shard.lock);
    merged.Merge(shard.histogram);
    if (shape_->is_delta) shard.histogram.Clear();
  });
  return merged;
}

}  // namespace narthex::sdk::internal
