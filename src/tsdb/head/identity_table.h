#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tsdb/head/posting_list.h"

namespace narthex::tsdb {

// Slots by the hash of their labels: 38 bits of it are kept, the caller compares what they find.
// Entries lie sorted by hash, near the place that the hash itself names, so that a search ends at
// the first larger one even in a table that is nearly full: some 10 bytes per series. It grows in
// 64 parts, each at its own time. One writer, or many readers.
class IdentityTable {
 public:
  // The slot with this hash for which same(slot) holds.
  template <class Same>
  std::optional<Slot> Find(uint64_t hash, Same same) const {
    const Shard& shard = shards_[hash % kShards];
    if (shard.size == 0) return std::nullopt;
    const auto tag = static_cast<uint32_t>(hash >> 32);
    for (const Entry* at = shard.entries.get() + shard.Home(tag);
         at->slot != kFree && at->tag <= tag; ++at) {
      if (at->tag == tag && same(at->slot)) return at->slot;
    }
    return std::nullopt;
  }
  void Insert(uint64_t hash, Slot slot);
  // Inserts the slots from 0 on, one per hash, faster than one by one. REQUIRES: an empty table.
  void Build(std::span<const uint64_t> hashes);
  // REQUIRES: was inserted with this hash.
  void Remove(uint64_t hash, Slot slot);
  size_t bytes() const;

 private:
  static constexpr size_t kShards = 64;
  static constexpr Slot kFree = ~Slot{0};
  struct Entry {
    Slot slot = kFree;
    uint32_t tag = 0;  // The high half of the hash.
  };
  struct Shard {
    std::unique_ptr<Entry[]> entries;  // places + spill + 1; the last is always free.
    uint32_t places = 0;
    uint32_t spill = 0;
    uint32_t size = 0;

    uint32_t Home(uint32_t tag) const {
      return static_cast<uint32_t>(uint64_t{tag} * places >> 32);
    }
    // False where the spill is full.
    bool Insert(Entry entry);
    void Grow() { Resize(places + places / 4 + 8); }
    void Resize(uint32_t to);
  };

  std::array<Shard, kShards> shards_;
};

}  // namespace narthex::tsdb
