#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/pages.h"
#include "exporters/prometheus/internal/hash.h"

namespace narthex::exporters::internal {

inline constexpr uint32_t kNoSlot = UINT32_MAX;

// Values by slot, at addresses that stay. One thread at a time. kChunkBits: so many slots are made
// at a time.
template <class T, int kChunkBits>
class SlotArray {
 public:
  T& operator[](uint32_t slot) { return chunks_[slot >> kChunkBits][slot & kMask]; }
  const T& operator[](uint32_t slot) const { return chunks_[slot >> kChunkBits][slot & kMask]; }
  uint32_t size() const { return size_; }
  // The new slot.
  uint32_t Add() {
    if (size_ >> kChunkBits == chunks_.size()) {
      if constexpr (std::is_trivially_copyable_v<T>) {
        T* const values = static_cast<T*>(pages_.emplace_back(sizeof(T) << kChunkBits).data());
        chunks_.emplace_back(values);
      } else {
        chunks_.emplace_back(owned_.emplace_back(new T[size_t{1} << kChunkBits]).get());
      }
    }
    return size_++;
  }

 private:
  static constexpr uint32_t kMask = (1u << kChunkBits) - 1;
  std::vector<T*> chunks_;
  std::vector<std::unique_ptr<T[]>> owned_;
  std::vector<base::Pages> pages_;
  uint32_t size_ = 0;
};

// Slots by hash: one line of the processor's cache per look-up, most of the time. 96 bits of a hash
// are kept. One thread at a time.
class SlotTable {
 public:
  size_t size() const { return size_; }
  // Has the memory that Find will want on its way.
  void Prefetch(const Hash128& hash) const {
    if (!entries_.empty()) __builtin_prefetch(&entries_[hash.low & mask_]);
  }
  // kNoSlot when it is not there.
  uint32_t Find(const Hash128& hash) const;
  // REQUIRES: it is not there.
  void Insert(const Hash128& hash, uint32_t slot);
  void Clear() { *this = SlotTable(); }
  // Removes those for which `gone` holds, which is asked twice about each slot.
  template <class Gone>
  void EraseIf(Gone gone) {
    size_t left = 0;
    for (const Entry& entry : entries_) left += entry.slot_and_one != 0 && !gone(entry.slot());
    if (left == size_) return;
    SlotTable rest;
    rest.Reserve(left);
    for (const Entry& entry : entries_) {
      if (entry.slot_and_one != 0 && !gone(entry.slot())) rest.Put(entry);
    }
    rest.size_ = left;
    *this = std::move(rest);
  }

 private:
  struct Entry {
    uint64_t low;
    uint32_t high;
    uint32_t slot_and_one;  // 0: empty.
    uint32_t slot() const { return slot_and_one - 1; }
  };
  // A view of the pages as entries.
  class Entries {
   public:
    Entries() = default;
    explicit Entries(size_t count) : pages_(count * sizeof(Entry)), count_(count) {}
    bool empty() const { return count_ == 0; }
    size_t size() const { return count_; }
    Entry* begin() const { return static_cast<Entry*>(pages_.data()); }
    Entry* end() const { return begin() + count_; }
    Entry& operator[](size_t i) const { return begin()[i]; }

   private:
    base::Pages pages_;
    size_t count_ = 0;
  };

  void Reserve(size_t count);
  void Put(const Entry& entry);

  Entries entries_;  // A power of two, at most three quarters of them taken.
  uint64_t mask_ = 0;
  size_t size_ = 0;
};

}  // namespace narthex::exporters::internal
