#include "scrape/series_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <utility>

#include "base/random.h"

namespace narthex::scrape {

namespace {

constexpr uint16_t kHighMax = 0x7fff;

}  // namespace

SeriesCache::SeriesCache() : seed_(base::RandomSeed()) {}

void SeriesCache::Begin() {
  next_ = 0;
  matched_ = nullptr;
}

SeriesCache::Key SeriesCache::KeyOf(std::string_view text) const {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(text.data(), text.size(), seed_);
  return {hash.low64, static_cast<uint16_t>(hash.high64 & kHighMax)};
}

const SeriesCache::Entry* SeriesCache::Likely() const {
  if (ordered_) return next_ < entries_.size() ? &entries_[next_] : nullptr;
  return next_ < before_.size() && taken_[next_] == 0 ? &before_[next_] : nullptr;
}

SeriesCache::Entry* SeriesCache::TakeLikely() {
  return ordered_ ? &entries_[next_++] : Take(static_cast<uint32_t>(next_));
}

size_t SeriesCache::Match(std::string_view rest) {
  matched_ = nullptr;
  const Entry* const likely = Likely();
  if (likely == nullptr || likely->length == 0 || likely->length > rest.size()) return 0;
  if (rest[likely->length - 1] != '}') return 0;
  if (!Is(*likely, KeyOf(rest.substr(0, likely->length)))) return 0;
  matched_ = rest.data();
  return likely->length;
}

SeriesCache::Entry* SeriesCache::Find(std::string_view text) {
  if (std::exchange(matched_, nullptr) == text.data()) return TakeLikely();
  const Key key = KeyOf(text);
  if (const Entry* const likely = Likely(); likely != nullptr && Is(*likely, key)) {
    return TakeLikely();
  }
  if (ordered_) LeaveOrder();
  const auto found = places_.find(key);
  if (found == places_.end()) {
    missed_ = key;
    missed_length_ = text.ends_with('}') && text.size() <= UINT16_MAX
                         ? static_cast<uint16_t>(text.size())
                         : uint16_t{0};
    return nullptr;
  }
  const uint32_t place = found->second;
  if (place >= before_.size()) return &entries_[place - before_.size()];
  return taken_[place] == 0 ? Take(place) : &entries_[taken_[place] - 1];
}

SeriesCache::Entry* SeriesCache::Add(uint32_t ref) {
  places_.emplace(missed_, static_cast<uint32_t>(before_.size() + entries_.size()));
  entries_.push_back({.low = missed_.low,
                      .ref = ref,
                      .high = static_cast<uint16_t>(missed_.high & kHighMax),
                      .length = missed_length_});
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
