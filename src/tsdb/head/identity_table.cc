#include "tsdb/head/identity_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace narthex::tsdb {

bool IdentityTable::Shard::Insert(Entry entry) {
  uint32_t at = Home(entry.tag);
  while (entries[at].slot != kFree && entries[at].tag <= entry.tag) ++at;
  uint32_t free = at;
  while (entries[free].slot != kFree) ++free;
  if (free >= places + spill) return false;
  for (; free > at; --free) entries[free] = entries[free - 1];
  entries[at] = entry;
  ++size;
  return true;
}

void IdentityTable::Shard::Resize(uint32_t to) {
  // Again only where many equal hashes lie at the very end: the spill grows too.
  for (uint32_t more = to;; more += more / 4) {
    Shard next;
    next.places = more;
    next.spill = 16 + more / 64;
    next.entries = std::make_unique<Entry[]>(next.places + next.spill + 1);
    bool all = true;
    for (uint32_t i = 0; all && i < places + spill; ++i) {
      if (entries[i].slot != kFree) all = next.Insert(entries[i]);
    }
    if (!all) continue;
    *this = std::move(next);
    return;
  }
}

void IdentityTable::Insert(uint64_t hash, Slot slot) {
  Shard& shard = shards_[hash % kShards];
  if (uint64_t{shard.size} * 8 >= uint64_t{shard.places} * 7) shard.Grow();
  const Entry entry{slot, static_cast<uint32_t>(hash >> 32)};
  while (!shard.Insert(entry)) shard.Grow();
}

void IdentityTable::Build(std::span<const uint64_t> hashes) {
  std::array<std::vector<Entry>, kShards> entries;
  for (auto& of_shard : entries) of_shard.reserve(hashes.size() / kShards * 9 / 8 + 8);
  for (size_t i = 0; i < hashes.size(); ++i) {
    entries[hashes[i] % kShards].push_back(
        {static_cast<Slot>(i), static_cast<uint32_t>(hashes[i] >> 32)});
  }
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    CHECK(shard.size == 0);
    std::ranges::sort(entries[i], {}, &Entry::tag);
    shard.Resize(static_cast<uint32_t>(entries[i].size() / 4 * 5 + 8));
    for (const Entry& entry : entries[i]) {
      while (!shard.Insert(entry)) shard.Grow();
    }
  }
}

void IdentityTable::Remove(uint64_t hash, Slot slot) {
  Shard& shard = shards_[hash % kShards];
  const auto tag = static_cast<uint32_t>(hash >> 32);
  uint32_t at = shard.Home(tag);
  while (shard.entries[at].slot != slot) {
    CHECK(shard.entries[at].slot != kFree);
    ++at;
  }
  // Those behind it move up as far as their own places allow.
  while (shard.entries[at + 1].slot != kFree && shard.Home(shard.entries[at + 1].tag) <= at) {
    shard.entries[at] = shard.entries[at + 1];
    ++at;
  }
  shard.entries[at] = Entry();
  --shard.size;
}

size_t IdentityTable::bytes() const {
  size_t bytes = sizeof(*this);
  for (const Shard& shard : shards_) {
    if (shard.places > 0) bytes += (shard.places + shard.spill + 1) * sizeof(Entry);
  }
  return bytes;
}

}  // namespace narthex::tsdb
