#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "tsdb/head/stable_array.h"

namespace narthex::tsdb {

// Short buffers, millions of them, by numbers of 4 bytes and without a header each. Slabs of one
// size hold buffers of one class; an empty slab serves any class. Thread-safe, as long as each
// buffer is used by one writer or many readers.
class SlabPool {
 public:
  using Handle = uint32_t;
  static constexpr Handle kNone = 0;

  SlabPool();
  ~SlabPool();
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  // At least `bytes`, not cleared. REQUIRES: bytes > 0.
  Handle Allocate(uint32_t bytes);
  void Free(Handle handle);
  // A buffer of at least `bytes` that begins with the first `keep` of the old one, which goes.
  Handle Grow(Handle handle, uint32_t keep, uint32_t bytes);
  // The same buffer, moved where its slab is so empty that it had better go.
  Handle Settle(Handle handle);

  // nullptr for kNone.
  char* At(Handle handle) const {
    const Slab& slab = slabs_[handle >> kIndexBits];
    return slab.memory + (handle & kIndexMask) * slab.size;
  }
  uint32_t Capacity(Handle handle) const { return slabs_[handle >> kIndexBits].size; }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }  // Taken from the system.

 private:
  // 16 KiB of the smallest buffers; a buffer over the largest class has a slab of its own.
  static constexpr unsigned kIndexBits = 10;
  static constexpr uint32_t kIndexMask = (uint32_t{1} << kIndexBits) - 1;
  static constexpr uint32_t kSlabBytes = 16 << 10;
  // Of 16, 32, … 512 bytes, then of 576, 640, … 4096: an open chunk of noisy values has 2000 and
  // more, and one that has a slab for itself costs all of that.
  static constexpr uint32_t kStep = 16;
  static constexpr uint32_t kFineMax = 512;
  static constexpr uint32_t kCoarseStep = 64;
  static constexpr uint32_t kSizeMax = 4096;
  static constexpr uint32_t kFineClasses = kFineMax / kStep;
  static constexpr uint32_t kClasses = kFineClasses + (kSizeMax - kFineMax) / kCoarseStep;
  // REQUIRES: 0 < bytes <= kSizeMax.
  static uint32_t ClassOf(uint32_t bytes) {
    return bytes <= kFineMax ? (bytes - 1) / kStep
                             : kFineClasses + (bytes - kFineMax - 1) / kCoarseStep;
  }
  static uint32_t SizeOf(uint32_t size_class) {
    return size_class < kFineClasses ? kStep * (size_class + 1)
                                     : kFineMax + kCoarseStep * (size_class - kFineClasses + 1);
  }
  static constexpr uint16_t kNoBuffer = 0xffff;
  struct Slab {
    char* memory = nullptr;
    uint32_t size = 0;          // Of a buffer; 0: the slab is not in use.
    uint16_t used = 0;          // Buffers ever given out,
    uint16_t live = 0;          // and not given back.
    uint16_t free = kNoBuffer;  // The first of those given back; each names the next.
    uint16_t capacity = 0;
    bool listed = false;   // In open_ of its class.
    bool leaving = false;  // Takes no more: its last buffers are being moved.
  };

  uint32_t NewSlab(uint32_t size, uint32_t bytes);

  // Held for some ten instructions.
  class Hold;
  Handle AllocateHeld(uint32_t bytes);

  StableArray<Slab, 1024, 4096> slabs_;
  std::atomic_flag held_;
  std::vector<uint32_t> empty_;                       // With memory of kSlabBytes.
  std::vector<uint32_t> unused_;                      // Numbers without memory.
  std::array<std::vector<uint32_t>, kClasses> open_;  // Slabs of a class with room; some are stale.
  std::atomic<size_t> bytes_{0};
};

}  // namespace narthex::tsdb
