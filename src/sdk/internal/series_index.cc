#include "sdk/internal/series_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "base/check.h"

namespace narthex::sdk::internal {
namespace {

constexpr size_t kSlotsMin = 16;
// Spellings per series, on average, before a further one is looked up the slow way every time.
constexpr size_t kSpellingsPerSeries = 4;

// Up to 16 bytes as two words, by loads that may overlap. Keys and values mostly are that short,
// and calls into hash and compare functions would cost more than the work they do.
struct ShortText {
  uint64_t head = 0;
  uint64_t tail = 0;
  bool operator==(const ShortText&) const = default;
};
constexpr size_t kShortMax = 16;

template <class Word>
uint64_t Load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

ShortText ReadShort(std::string_view text) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (text.size() >= 8) return {Load<uint64_t>(begin), Load<uint64_t>(end - 8)};
  if (text.size() >= 4) return {Load<uint32_t>(begin), Load<uint32_t>(end - 4)};
  if (text.empty()) return {};
  return {Load<uint8_t>(begin) | Load<uint8_t>(begin + text.size() / 2) << 8,
          Load<uint8_t>(end - 1)};
}

uint64_t Multiply(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t HashText(std::string_view text, uint64_t seed) {
  if (text.size() > kShortMax) {
    return XXH3_64bits_withSeed(text.data(), text.size(), seed);
  }
  const ShortText words = ReadShort(text);
  return Multiply(words.head ^ seed ^ 0xa0761d6478bd642f,
                  words.tail ^ (0xe7037ed1a0b428db + text.size()));
}

uint64_t HashBits(uint64_t bits, uint64_t seed) {
  return Multiply(bits ^ seed ^ 0x8ebc6af09c88c6e3, 0x9e3779b97f4a7c15);
}

bool EqualText(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return a.size() <= kShortMax ? ReadShort(a) == ReadShort(b) : a == b;
}

bool EqualValue(const AttributeValue& a, const AttributeValue& b) {
  if (a.kind() != b.kind()) return false;
  return a.kind() == AttributeValue::Kind::kString ? EqualText(a.AsString(), b.AsString())
                                                   : a.bits() == b.bits();
}

bool Equal(Attributes a, Attributes b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!EqualText(a[i].key, b[i].key) || !EqualValue(a[i].value, b[i].value)) return false;
  }
  return true;
}

}  // namespace

SeriesIndex::SeriesIndex(size_t series_max, uint64_t hash_seed, Make make)
    : series_max_(series_max), seed_(hash_seed), make_(std::move(make)) {
  CHECK(series_max >= 2);
  tables_.push_back(std::make_unique<Table>(kSlotsMin));
  table_.store(tables_.back().get(), std::memory_order_release);
}

uint64_t SeriesIndex::Hash(Attributes attributes) const {
  uint64_t hash = seed_;
  for (const Attribute& item : attributes) {
    hash = HashText(item.key, hash);
    hash = item.value.kind() == AttributeValue::Kind::kString
               ? HashText(item.value.AsString(), hash)
               : HashBits(item.value.bits(), hash);
  }
  return hash;
}

Series* SeriesIndex::Find(uint64_t hash, Attributes attributes) const {
  const Table& table = *table_.load(std::memory_order_acquire);
  for (size_t slot = hash & table.mask;; slot = (slot + 1) & table.mask) {
    const Entry* entry = table.slots[slot].load(std::memory_order_acquire);
    if (entry == nullptr) return nullptr;
    if (entry->hash == hash && Equal(entry->spelling.items(), attributes)) return entry->series;
  }
}

Series& SeriesIndex::AddSpelling(uint64_t hash, Attributes attributes) {
  const AttributeSet sorted(attributes);
  if (Series* overflow = overflow_.load(std::memory_order_acquire)) {
    // Nothing fits any more, which a flood of new series must learn without a lock.
    Series* series = Find(Hash(sorted.items()), sorted.items());
    return series != nullptr ? *series : *overflow;
  }
  base::MutexLock lock(mutex_);
  Series* series = FindOrAddSorted(sorted);
  const bool fits = entries_.size() < series_max_ * kSpellingsPerSeries;
  if (series != overflow_.load(std::memory_order_relaxed) && fits &&
      Find(hash, attributes) == nullptr) {
    Insert(hash, attributes, series);
  }
  return *series;
}

Series* SeriesIndex::FindOrAddSorted(const AttributeSet& sorted) {
  const uint64_t hash = Hash(sorted.items());
  if (Series* series = Find(hash, sorted.items())) return series;
  if (series_.size() + 1 < series_max_) {
    series_.push_back(make_(sorted));
    Insert(hash, sorted.items(), series_.back().get());
    return series_.back().get();
  }
  if (Series* overflow = overflow_.load(std::memory_order_relaxed)) return overflow;
  series_.push_back(make_(AttributeSet({{"otel.metric.overflow", true}})));
  overflow_.store(series_.back().get(), std::memory_order_release);
  return series_.back().get();
}

void SeriesIndex::Insert(uint64_t hash, Attributes spelling, Series* series) {
  entries_.push_back(std::make_unique<Entry>(Entry{hash, OwnedAttributes(spelling), series}));
  if (entries_.size() * 2 > tables_.back()->slots.size()) return Grow();
  Table& table = *tables_.back();
  size_t slot = hash & table.mask;
  while (table.slots[slot].load(std::memory_order_relaxed) != nullptr) {
    slot = (slot + 1) & table.mask;
  }
  table.slots[slot].store(entries_.back().get(), std::memory_order_release);
}

void SeriesIndex::Grow() {
  auto table = std::make_unique<Table>(tables_.back()->slots.size() * 2);
  for (const auto& entry : entries_) {
    size_t slot = entry->hash & table->mask;
    while (table->slots[slot].load(std::memory_order_relaxed) != nullptr) {
      slot = (slot + 1) & table->mask;
    }
    table->slots[slot].store(entry.get(), std::memory_order_relaxed);
  }
  tables_.push_back(std::move(table));
  table_.store(tables_.back().get(), std::memory_order_release);
}

void SeriesIndex::ForEach(const std::function<void(Series&)>& visit) const {
  base::SharedLock lock(mutex_);
  for (const auto& series : series_) visit(*series);
}

}  // namespace narthex::sdk::internal
