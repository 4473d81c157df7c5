#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tsdb/head/posting_list.h"

namespace narthex::tsdb {

// A short string of bytes per slot: 4 bytes each beside the strings, in blocks that are given back
// when the last of theirs is removed. One writer, or many readers.
class SeriesRecords {
 public:
  // Appends; the slots count up from 0.
  Slot Add(std::string_view record);
  // Behind the newest slot.
  Slot end() const { return end_; }
  bool Contains(Slot slot) const {
    const Block* const block = slot < end_ ? blocks_[slot / kPerBlock].get() : nullptr;
    return block != nullptr && (block->begins[slot % kPerBlock] & kRemoved) == 0;
  }
  // Valid until the next change. REQUIRES: Contains(slot).
  const char* Get(Slot slot) const {
    const Block& block = *blocks_[slot / kPerBlock];
    return block.bytes.data() + block.begins[slot % kPerBlock];
  }
  // The same, with its end.
  std::string_view Record(Slot slot) const {
    const Block& block = *blocks_[slot / kPerBlock];
    const uint32_t k = slot % kPerBlock;
    return std::string_view(block.bytes)
        .substr(block.Begin(k), block.Begin(k + 1) - block.Begin(k));
  }
  // REQUIRES: Contains(slot).
  void Remove(Slot slot);
  // Calls visit(slot) for each, ascending.
  template <class Visit>
  void VisitSlots(Visit visit) const {
    for (uint32_t i = 0; i < blocks_.size(); ++i) {
      if (blocks_[i] == nullptr) continue;
      for (uint32_t k = 0; k < blocks_[i]->used; ++k) {
        if ((blocks_[i]->begins[k] & kRemoved) == 0) visit(i * kPerBlock + k);
      }
    }
  }
  size_t bytes() const;

 private:
  static constexpr uint32_t kPerBlock = 1024;
  static constexpr uint32_t kRemoved = uint32_t{1} << 31;  // On top of where it began.
  struct Block {
    std::array<uint32_t, kPerBlock> begins;
    std::string bytes;
    uint32_t used = 0;
    uint32_t live = 0;
    uint32_t dead_bytes = 0;

    size_t Begin(uint32_t k) const { return k < used ? begins[k] & ~kRemoved : bytes.size(); }
    void Compact();
  };

  std::vector<std::unique_ptr<Block>> blocks_;
  Slot end_ = 0;
};

}  // namespace narthex::tsdb
