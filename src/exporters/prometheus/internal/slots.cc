#include "exporters/prometheus/internal/slots.h"

#include <algorithm>
#include <bit>

namespace narthex::exporters::internal {

uint32_t SlotTable::Find(const Hash128& hash) const {
  if (entries_.empty()) return kNoSlot;
  const auto high = static_cast<uint32_t>(hash.high);
  for (uint64_t at = hash.low & mask_;; at = (at + 1) & mask_) {
    const Entry& entry = entries_[at];
    if (entry.slot_and_one == 0) return kNoSlot;
    if (entry.low == hash.low && entry.high == high) return entry.slot();
  }
}

void SlotTable::Insert(const Hash128& hash, uint32_t slot) {
  if ((size_ + 1) * 4 > entries_.size() * 3) Reserve(size_ + 1);
  Put({hash.low, static_cast<uint32_t>(hash.high), slot + 1});
  ++size_;
}

void SlotTable::Reserve(size_t count) {
  constexpr size_t kEntriesMin = 256;
  const size_t wanted = std::max(std::bit_ceil(count + count / 3 + 1), kEntriesMin);
  if (wanted <= entries_.size()) return;
  const Entries old = std::exchange(entries_, Entries(wanted));
  mask_ = wanted - 1;
  for (const Entry& entry : old) {
    if (entry.slot_and_one != 0) Put(entry);
  }
}

void SlotTable::Put(const Entry& entry) {
  uint64_t at = entry.low & mask_;
  while (entries_[at].slot_and_one != 0) at = (at + 1) & mask_;
  entries_[at] = entry;
}

}  // namespace narthex::exporters::internal
