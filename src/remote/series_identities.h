#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "storage/storage.h"

namespace narthex::remote {

// From the label fields of a series, as they stand on the wire, to the series: senders send the
// same bytes or symbols each time, so that nothing has to be decoded. What identifies them is a
// hash of 96 bits, keyed by a secret; with this width a collision is no event to plan for. Some 26
// bytes per series. Thread-safe.
class SeriesIdentities {
 public:
  struct Key {
    uint64_t low;
    uint32_t high;
    bool operator==(const Key&) const = default;
  };
  struct Wanted {
    Key key;
    storage::SeriesRef ref = 0;
  };

  explicit SeriesIdentities(const base::Clock& clock);

  Key KeyOf(std::string_view label_fields) const;
  // Where labels are numbers of symbols, which mean something else in every request, the symbols
  // have keys, and what identifies a series are theirs, in the order of its labels.
  struct SymbolKey {
    uint64_t low;
    uint64_t high;
  };
  SymbolKey SymbolKeyOf(std::string_view symbol) const;
  // Of the symbols with these numbers. REQUIRES: numbers < symbols.size().
  Key KeyOf(std::span<const uint32_t> numbers, std::span<const SymbolKey> symbols) const;
  // Fills in the references that are known. All at once, so that the memory that one needs is
  // fetched while another is looked at.
  void Find(std::span<Wanted> wanted) EXCLUDES_LOCK(mutex_);
  void Put(const Key& key, storage::SeriesRef ref) EXCLUDES_LOCK(mutex_);
  // Forgets series that nobody has written for an hour or two: they come and go.
  void Age() EXCLUDES_LOCK(mutex_);
  size_t size() const EXCLUDES_LOCK(mutex_);

 private:
  // Open addressing with linear probing, in the order of the hash.
  class Table {
   public:
    size_t size() const { return size_; }
    void Prefetch(const Key& key) const {
      if (!entries_.empty()) __builtin_prefetch(&entries_[Home(key)]);
    }
    storage::SeriesRef Find(const Key& key) const;
    void Put(const Key& key, uint32_t ref);

   private:
    struct Entry {
      Key key() const { return {low, high}; }
      uint64_t low = 0;
      uint32_t high = 0;
      uint32_t ref = 0;  // 0: free.
    };
    static_assert(sizeof(Entry) == 16);
    size_t Home(const Key& key) const {
      __extension__ using Wide = unsigned __int128;
      return static_cast<size_t>(Wide{key.low} * entries_.size() >> 64);
    }
    size_t Place(const Key& key) const;
    void Grow();

    std::vector<Entry> entries_;
    size_t size_ = 0;
  };

  const base::Clock& clock_;
  // Secret factors for the symbols at each place.
  static constexpr size_t kPlaces = 64;
  SymbolKey FactorsOf(size_t place) const;

  const uint64_t seed_;
  std::array<SymbolKey, kPlaces> factors_;
  mutable base::Mutex mutex_;
  Table refs_ GUARDED_BY(mutex_);          // Written since aged_at_,
  Table older_ GUARDED_BY(mutex_);         // and in the hour before,
  size_t renewed_ GUARDED_BY(mutex_) = 0;  // so many of which are in refs_ too.
  std::atomic<int64_t> aged_at_;
};

}  // namespace narthex::remote
