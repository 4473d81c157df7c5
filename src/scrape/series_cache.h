#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

#include "storage/storage.h"

namespace narthex::scrape {

// Which series the texts of a target's scrapes are. A scrape mostly brings the series of the one
// before in the same order: then each is found by a look at the next entry, and nothing else is
// touched. A text is known by 95 bits of a hash with a secret key; with this width a collision is
// no event to plan for. 16 bytes per series between scrapes. One thread at a time.
class SeriesCache {
 public:
  struct Entry {
    uint64_t low;  // Of the hash, with `high`.
    uint32_t high : 31;
    uint32_t tracked : 1 = 0;  // Gets a stale marker when it vanishes.
    uint32_t ref = 0;          // 0: dropped by metric relabelling.
  };
  static_assert(sizeof(Entry) == 16);
  static constexpr uint32_t kHighMax = 0x7fffffff;
  // Storages count their series from one; one that has more than this cannot be scraped into.
  static constexpr storage::SeriesRef kRefMax = UINT32_MAX;

  SeriesCache();

  // A body begins.
  void Begin();
  // The series of the next sample; null where no body before and nothing of this one had it. Valid
  // until the next call.
  Entry* Find(std::string_view text);
  // One that Find has just missed.
  Entry* Add(uint32_t ref);
  // The body has ended. Calls gone(ref) for each tracked one that was in the body before and is not
  // in this one.
  template <class Gone>
  void End(Gone gone) {
    if (ordered_) {
      for (size_t i = next_; i < entries_.size(); ++i) Leave(entries_[i], gone);
      entries_.resize(next_);
    } else {
      for (size_t i = 0; i < before_.size(); ++i) {
        if (taken_[i] == 0) Leave(before_[i], gone);
      }
      Settle();
    }
  }
  // The body came to nothing, or there is none: gone(ref) for each tracked one of the body before.
  template <class Gone>
  void Clear(Gone gone) {
    for (const Entry& entry : ordered_ ? entries_ : before_) Leave(entry, gone);
    entries_ = {};
    Settle();
  }
  // The tracked ones of the last body. REQUIRES: between End or Clear and Begin.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (const Entry& entry : entries_) {
      if (entry.ref != 0 && entry.tracked != 0) visit(entry.ref);
    }
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Key {
    uint64_t low;
    uint32_t high;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    using is_avalanching = void;
    size_t operator()(const Key& key) const { return key.low; }
  };
  static bool Is(const Entry& entry, const Key& key) {
    return entry.low == key.low && entry.high == key.high;
  }
  template <class Gone>
  static void Leave(const Entry& entry, Gone& gone) {
    if (entry.ref != 0 && entry.tracked != 0) gone(entry.ref);
  }
  void LeaveOrder();
  Entry* Take(uint32_t place);
  void Settle();

  const uint64_t seed_;
  // As long as the body brings what the one before did, in its order: that one, of which `next_`
  // have come again.
  std::vector<Entry> entries_;
  size_t next_ = 0;
  bool ordered_ = true;
  // Once it differs, entries_ are those of this body. The ones of the body before; for each, 1 +
  // where in entries_ it is, or 0; and where in before_ a text is, or, counted on behind its end,
  // in entries_.
  std::vector<Entry> before_;
  std::vector<uint32_t> taken_;
  boost::unordered_flat_map<Key, uint32_t, KeyHash> places_;
  Key missed_{};
};

}  // namespace narthex::scrape
