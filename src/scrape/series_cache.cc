#include "scrape/series_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/random.h"

namespace narthex::scrape {

SeriesCache::SeriesCache() : seed_(base::RandomSeed()) {}

void SeriesCache::Begin() { next_ = 0; }

SeriesCache::Entry* SeriesCache::Find(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(text.data(), text.size(), seed_);
  const Key key{hash.low64, static_cast<uint32_t>(hash.high64)};
  if (ordered_) {
    if (next_ < entries_.size() && Is(entries_[next_], key)) return &entries_[next_++];
    LeaveOrder();
  } else if (next_ < before_.size() && before_[next_].place == 0 && Is(before_[next_], key)) {
    return Take(static_cast<uint32_t>(next_));
  }
  const auto found = places_.find(key);
  if (found == places_.end()) {
    missed_ = key;
    return nullptr;
  }
  const uint32_t place = found->second;
  if (place >= before_.size()) return &entries_[place - before_.size()];
  return before_[place].place == 0 ? Take(place) : &entries_[before_[place].place - 1];
}

SeriesCache::Entry* SeriesCache::Add(storage::SeriesRef ref) {
  places_.emplace(missed_, static_cast<uint32_t>(before_.size() + entries_.size()));
  entries_.push_back({.low = missed_.low, .ref = ref, .high = missed_.high});
  return &entries_.back();
}

void SeriesCache::LeaveOrder() {
  ordered_ = false;
  before_.swap(entries_);
  entries_.reserve(before_.size());
  entries_.assign(before_.begin(), before_.begin() + static_cast<ptrdiff_t>(next_));
  places_.reserve(before_.size());
  for (uint32_t i = 0; i < before_.size(); ++i) {
    places_.emplace(Key{before_[i].low, before_[i].high}, i);
    if (i < next_) before_[i].place = (i + 1) & kPlaceMax;
  }
}

// One of the body before is in this one too; mostly the one behind it comes next.
SeriesCache::Entry* SeriesCache::Take(uint32_t place) {
  next_ = place + 1;
  entries_.push_back(before_[place]);
  before_[place].place = static_cast<uint32_t>(entries_.size()) & kPlaceMax;
  return &entries_.back();
}

void SeriesCache::Settle() {
  entries_.shrink_to_fit();
  before_ = {};
  places_ = {};
  ordered_ = true;
}

}  // namespace narthex::scrape
