#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "sdk/internal/exponential.h"
#include "sdk/internal/sharded.h"
#include "sdk/internal/spin_lock.h"

namespace narthex::sdk::internal {

// The aggregates behind one series. Recording is thread-safe and takes no lock, but where a class
// says so; a reader sees every write that happened before it and perhaps some that are under way.
// Members named `collected` are the collector's own and hold what it last reported. Value is what a
// cell records.

// A sum: counters and up-down counters.
template <class T>
class SumCell {
 public:
  using Value = T;

  void Record(T value) {
    const uint32_t ordinal = ThreadOrdinal();
    Shard& shard = shards_.Get(ordinal);
    if (shard.owner == ordinal) [[likely]] {
      AddOwned(shard.owned, value);
    } else {
      shard.shared.fetch_add(value, std::memory_order_relaxed);
    }
  }
  T Total() const {
    T total{};
    shards_.ForEach([&](const Shard& shard) {
      total += shard.owned.load(std::memory_order_relaxed) +
               shard.shared.load(std::memory_order_relaxed);
    });
    return total;
  }

  size_t exemplar_slots() const { return 1; }

  T collected{};

 private:
  struct alignas(64) Shard {
    explicit Shard(uint32_t ordinal) : owner(ordinal) {}
    const uint32_t owner;
    std::atomic<T> owned{};
    std::atomic<T> shared{};
  };
  Sharded<Shard> shards_;
};

// The last value: gauges.
template <class T>
class LastValueCell {
 public:
  using Value = T;

  void Record(T value) {
    value_.store(value, std::memory_order_relaxed);
    if (!is_set_.load(std::memory_order_relaxed)) is_set_.store(true, std::memory_order_release);
  }
  bool is_set() const { return is_set_.load(std::memory_order_acquire); }
  T value() const { return value_.load(std::memory_order_relaxed); }
  // Delta temporality: a value is reported once.
  void Clear() { is_set_.store(false, std::memory_order_relaxed); }
  size_t exemplar_slots() const { return 1; }

 private:
  std::atomic<T> value_{};
  std::atomic<bool> is_set_{false};
};

// What an observable's callback said: touched by the collecting thread only.
template <class T>
struct ObservedCell {
  using Value = T;

  // `sums`: several observations of one collection add up, as where a filter has made one series of
  // many; or else the last counts.
  explicit ObservedCell(bool sums) : adds_up(sums) {}
  void Record(T observed) {
    value = adds_up && is_observed ? static_cast<T>(value + observed) : observed;
    is_observed = true;
  }
  size_t exemplar_slots() const { return 1; }

  const bool adds_up;
  T value{};
  bool is_observed = false;  // Since the last collection.
  T collected{};
};

// How a histogram of one instrument is cut. Immutable.
struct HistogramShape {
  std::vector<double> bounds;  // Ascending.
  bool is_delta = false;
  bool record_min_max = true;
};

// Explicit-bucket histogram. Cumulative shards are written without a lock, and `count` is the sum
// of the buckets, so that the two always agree. Minimum and maximum of an interval cannot be had
// from differences: delta shards are emptied by the collector, under a spin lock of their own.
class HistogramCell {
 public:
  using Value = double;

  struct Totals {
    uint64_t count = 0;
    double sum = 0;
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
  };

  explicit HistogramCell(std::shared_ptr<const HistogramShape> shape) : shape_(std::move(shape)) {}

  void Record(double value) {
    const uint32_t ordinal = ThreadOrdinal();
    Shard& shard = shards_.Get(ordinal, shape_->bounds.size() + 1);
    const size_t bucket = BucketOf(value);
    if (shape_->is_delta) {
      shard.RecordLocked(bucket, value);
    } else if (shard.owner == ordinal) [[likely]] {
      shard.RecordOwned(bucket, value);
    } else {
      shard.RecordShared(bucket, value);
    }
  }

  // The first bucket whose bound is not below `value`; no branch depends on the value.
  size_t BucketOf(double value) const {
    const double* at = shape_->bounds.data();
    for (size_t left = shape_->bounds.size(); left > 0;) {
      const size_t half = (left + 1) / 2;
      at = at[half - 1] < value ? at + half : at;
      left -= half;
    }
    return static_cast<size_t>(at - shape_->bounds.data());
  }
  size_t exemplar_slots() const { return shape_->bounds.size() + 1; }
  // Adds the buckets into `counts` (bounds + 1 of them); delta shards start anew.
  Totals Collect(std::span<uint64_t> counts);

 private:
  // One cache line of totals for the owner, one for the others, then the buckets.
  struct Part {
    std::atomic<double> sum{0};
    std::atomic<double> min{std::numeric_limits<double>::infinity()};
    std::atomic<double> max{-std::numeric_limits<double>::infinity()};
  };
  struct alignas(64) Shard {
    Shard(uint32_t ordinal, size_t buckets);
    void RecordOwned(size_t bucket, double value) {
      AddOwned(owned_counts[bucket], uint64_t{1});
      AddOwned(owned.sum, value);
      if (value < owned.min.load(std::memory_order_relaxed)) {
        owned.min.store(value, std::memory_order_relaxed);
      }
      if (value > owned.max.load(std::memory_order_relaxed)) {
        owned.max.store(value, std::memory_order_relaxed);
      }
    }
    void RecordShared(size_t bucket, double value);
    void RecordLocked(size_t bucket, double value);

    const uint32_t owner;
    SpinLock lock;
    Part owned;
    const std::unique_ptr<std::atomic<uint64_t>[]> owned_counts;
    alignas(64) Part shared;
    const std::unique_ptr<std::atomic<uint64_t>[]> shared_counts;
  };

  const std::shared_ptr<const HistogramShape> shape_;
  Sharded<Shard> shards_;
};

// Exponential histogram: each shard under a spin lock of its own.
class ExponentialCell {
 public:
  using Value = double;

  explicit ExponentialCell(std::shared_ptr<const ExponentialShape> shape)
      : shape_(std::move(shape)) {}

  void Record(double value) {
    Shard& shard = shards_.Get(ThreadOrdinal(), *shape_);
    SpinGuard guard(shard.lock);
    shard.histogram.Record(value);
  }
  size_t exemplar_slots() const { return std::min<size_t>(20, shape_->max_size); }
  // Delta shards start anew.
  ExponentialHistogram Collect();

 private:
  struct alignas(64) Shard {
    Shard(uint32_t, const ExponentialShape& shape) : histogram(shape) {}
    SpinLock lock;
    ExponentialHistogram histogram;
  };

  const std::shared_ptr<const ExponentialShape> shape_;
  Sharded<Shard> shards_;
};

}  // namespace narthex::sdk::internal
