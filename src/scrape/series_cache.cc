#include "scrape/series_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/random.h"

namespace narthex::scrape {

SeriesCache::SeriesCache() : seed_(base::RandomSeed()) {}

void SeriesCache::Begin() { next_ = 0; }

SeriesCache::Entry* SeriesCache::Find(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(text.data(), text.size(), seed_);
  const Key key{hash.low64, static_cast<uint32_t>(hash.high64) & kHighMax};
  if (ordered_) {
    if (next_ < entries_.size() && Is(entries_[next_], key)) return &entries_[next_++];
    LeaveOrder();
  } else if (next_ < before_.size() && taken_[next_] == 0 && Is(before_[next_], key)) {
    return Take(static_cast<uint32_t>(next_));
  }
  const auto found = places_.find(key);
  if (found == places_.end()) {
    missed_ = key;
    return nullptr;
  }
  const uint32_t place = found->second;
  if (place >= before_.size()) return &entries_[place - before_.size()];
  return taken_[place] == 0 ? Take(place) : &entries_[taken_[place] - 1];
}

SeriesCache::Entry* SeriesCache::Add(uint32_t ref) {
  places_.emplace(missed_, static_cast<uint32_t>(before_.size() + entries_.size()));
  entries_.push_back({.low = missed_.low, .high = missed_.high & kHighMax, .ref = ref});
  return &entries_.back();
}

void SeriesCache::LeaveOrder() {
  ordered_ = false;
  before_.swap(entries_);
  entries_.reserve(before_.size());
  entries_.assign(before_.begin(), before_.begin() + static_cast<ptrdiff_t>(next_));
  places_.reserve(before_.size());
  taken_.resize(before_.size());
  for (uint32_t i = 0; i < before_.size(); ++i) {
    places_.emplace(Key{before_[i].low, before_[i].high}, i);
    if (i < next_) taken_[i] = i + 1;
  }
}

// One of the body before is in this one too; mostly the one behind it comes next.
SeriesCache::Entry* SeriesCache::Take(uint32_t place) {
  next_ = place + 1;
  entries_.push_back(before_[place]);
  taken_[place] = static_cast<uint32_t>(entries_.size());
  return &entries_.back();
}

void SeriesCache::Settle() {
  entries_.shrink_to_fit();
  before_ = {};
  taken_ = {};
  places_ = {};
  ordered_ = true;
}

}  // namespace narthex::scrape
