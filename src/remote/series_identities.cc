#include "remote/series_identities.h"

#include <algorithm>
#include <utility>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/random.h"

namespace narthex::remote {

using storage::SeriesRef;

SeriesIdentities::SeriesIdentities(const base::Clock& clock)
    : clock_(clock), seed_(base::RandomSeed()), aged_at_(clock.MonotonicNs()) {
  for (size_t place = 0; place < kPlaces; ++place) factors_[place] = FactorsOf(place);
}

SeriesIdentities::Key SeriesIdentities::KeyOf(std::string_view label_fields) const {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(label_fields.data(), label_fields.size(), seed_);
  return {hash.low64, static_cast<uint32_t>(hash.high64)};
}

SeriesIdentities::SymbolKey SeriesIdentities::SymbolKeyOf(std::string_view symbol) const {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(symbol.data(), symbol.size(), seed_);
  return {hash.low64, hash.high64};
}

SeriesIdentities::SymbolKey SeriesIdentities::FactorsOf(size_t place) const {
  const SymbolKey key = SymbolKeyOf({reinterpret_cast<const char*>(&place), sizeof(place)});
  return {key.low | 1, key.high | 1};
}

// Sums of products: the keys are hashes already, and the factors tell the places apart. Nothing
// waits for the product before.
SeriesIdentities::Key SeriesIdentities::KeyOf(std::span<const uint32_t> numbers,
                                              std::span<const SymbolKey> symbols) const {
  uint64_t low = numbers.size() * factors_[0].high;
  uint64_t high = numbers.size() * factors_[0].low;
  const auto add = [&](uint32_t number, const SymbolKey& factors) {
    low += symbols[number].low * factors.low;
    high += symbols[number].high * factors.high;
  };
  const size_t known = std::min(numbers.size(), kPlaces);
  for (size_t place = 0; place < known; ++place) add(numbers[place], factors_[place]);
  for (size_t place = known; place < numbers.size(); ++place) {
    add(numbers[place], FactorsOf(place));
  }
  return {low, static_cast<uint32_t>(high >> 32)};
}

// Where the key is, or the free place where it belongs.
size_t SeriesIdentities::Table::Place(const Key& key) const {
  size_t at = Home(key);
  while (entries_[at].ref != 0 && entries_[at].key() != key) {
    if (++at == entries_.size()) at = 0;
  }
  return at;
}

SeriesRef SeriesIdentities::Table::Find(const Key& key) const {
  return entries_.empty() ? 0 : entries_[Place(key)].ref;
}

void SeriesIdentities::Table::Put(const Key& key, uint32_t ref) {
  if ((size_ + 1) * 4 > entries_.size() * 3) Grow();
  Entry& entry = entries_[Place(key)];
  size_ += entry.ref == 0 ? 1 : 0;
  entry = {key.low, key.high, ref};
}

void SeriesIdentities::Table::Grow() {
  std::vector<Entry> before(entries_.size() + entries_.size() / 2 + 64);
  std::swap(before, entries_);
  for (const Entry& entry : before) {
    if (entry.ref != 0) entries_[Place(entry.key())] = entry;
  }
}

void SeriesIdentities::Find(std::span<Wanted> wanted) {
  constexpr size_t kAhead = 8;
  bool renew = false;
  {
    base::SharedLock lock(mutex_);
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (i + kAhead < wanted.size()) refs_.Prefetch(wanted[i + kAhead].key);
      wanted[i].ref = refs_.Find(wanted[i].key);
      renew |= wanted[i].ref == 0 && older_.size() > 0;
    }
  }
  if (!renew) return;
  base::MutexLock lock(mutex_);
  for (Wanted& one : wanted) {
    if (one.ref != 0) continue;
    one.ref = refs_.Find(one.key);  // Another thread may have been first.
    if (one.ref != 0) continue;
    one.ref = older_.Find(one.key);
    if (one.ref == 0) continue;
    refs_.Put(one.key, static_cast<uint32_t>(one.ref));
    ++renewed_;
  }
}

void SeriesIdentities::Put(const Key& key, SeriesRef ref) {
  if (ref > UINT32_MAX) return;  // Found the slow way each time.
  base::MutexLock lock(mutex_);
  if (refs_.Find(key) == 0 && older_.Find(key) != 0) ++renewed_;
  refs_.Put(key, static_cast<uint32_t>(ref));
}

void SeriesIdentities::Age() {
  constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;
  const int64_t now = clock_.MonotonicNs();
  if (now - aged_at_.load(std::memory_order_relaxed) < kHourNs) return;
  base::MutexLock lock(mutex_);
  if (now - aged_at_ < kHourNs) return;
  // After two hours without a request all is as old as that.
  older_ = now - aged_at_ < 2 * kHourNs ? std::move(refs_) : Table();
  refs_ = Table();
  renewed_ = 0;
  aged_at_ = now;
}

size_t SeriesIdentities::size() const {
  base::SharedLock lock(mutex_);
  return refs_.size() + older_.size() - renewed_;
}

}  // namespace narthex::remote
