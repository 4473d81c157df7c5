#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "sdk/attributes.h"

namespace narthex::sdk::internal {

// One attribute set of one instrument; streams derive from it what they count in.
struct Series {
  explicit Series(AttributeSet set) : attributes(std::move(set)) {}
  virtual ~Series() = default;
  const AttributeSet attributes;
};

// Finds the series of a measurement's attributes: a hash table whose readers take no lock and
// allocate nothing. Callers write attributes in any order, so that one series may be known under
// several spellings; each that was used lies in the table beside the sorted one, up to a bound.
// Nothing is ever removed: a Series stays valid as long as the index. Thread-safe.
class SeriesIndex {
 public:
  using Make = std::function<std::unique_ptr<Series>(AttributeSet)>;

  // At most `series_max` series, among them the one with otel.metric.overflow=true that takes
  // whatever no longer fits. REQUIRES: series_max >= 2.
  SeriesIndex(size_t series_max, uint64_t hash_seed, Make make);

  Series& FindOrAdd(Attributes attributes) {
    const uint64_t hash = Hash(attributes);
    if (Series* series = Find(hash, attributes)) return *series;
    return AddSpelling(hash, attributes);
  }
  // In the order in which they came.
  void ForEach(const std::function<void(Series&)>& visit) const;

 private:
  struct Entry {
    uint64_t hash;
    OwnedAttributes spelling;
    Series* series;
  };
  struct Table {
    explicit Table(size_t size) : mask(size - 1), slots(size) {}
    const size_t mask;
    std::vector<std::atomic<const Entry*>> slots;
  };

  uint64_t Hash(Attributes attributes) const;
  Series* Find(uint64_t hash, Attributes attributes) const;
  Series& AddSpelling(uint64_t hash, Attributes attributes);
  Series* FindOrAddSorted(const AttributeSet& sorted) REQUIRES_LOCK(mutex_);
  void Insert(uint64_t hash, Attributes spelling, Series* series) REQUIRES_LOCK(mutex_);
  void Grow() REQUIRES_LOCK(mutex_);

  const size_t series_max_;
  const uint64_t seed_;
  const Make make_;
  std::atomic<const Table*> table_;
  std::atomic<Series*> overflow_{nullptr};  // Set once nothing fits any more.

  mutable base::Mutex mutex_;
  std::vector<std::unique_ptr<Table>> tables_ GUARDED_BY(mutex_);  // Readers may be in old ones.
  std::vector<std::unique_ptr<Entry>> entries_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Series>> series_ GUARDED_BY(mutex_);
};

}  // namespace narthex::sdk::internal
