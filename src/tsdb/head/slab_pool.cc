#include "tsdb/head/slab_pool.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/check.h"

namespace narthex::tsdb {

class SlabPool::Hold {
 public:
  explicit Hold(std::atomic_flag& held) : held_(held) {
    while (held_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  }
  ~Hold() { held_.clear(std::memory_order_release); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  std::atomic_flag& held_;
};

SlabPool::SlabPool() { slabs_.Grow(); }  // Number 0 is none.

SlabPool::~SlabPool() {
  for (uint32_t i = 0; i < slabs_.size(); ++i) std::free(slabs_[i].memory);
}

uint32_t SlabPool::NewSlab(uint32_t size, uint32_t bytes) {
  uint32_t number = 0;
  if (bytes == kSlabBytes && !empty_.empty()) {
    number = empty_.back();
    empty_.pop_back();
  } else {
    if (unused_.empty()) {
      number = slabs_.Grow();
      CHECK(number < uint32_t{1} << (32 - kIndexBits));
    } else {
      number = unused_.back();
      unused_.pop_back();
    }
    slabs_[number].memory = static_cast<char*>(std::malloc(bytes));
    CHECK(slabs_[number].memory != nullptr);
    bytes_ += bytes;
  }
  Slab& slab = slabs_[number];
  slab.size = size;
  slab.used = 0;
  slab.live = 0;
  slab.free = kNoBuffer;
  slab.capacity = static_cast<uint16_t>(size > kSlabBytes ? 1 : kSlabBytes / size);
  slab.listed = false;
  slab.leaving = false;
  return number;
}

SlabPool::Handle SlabPool::Allocate(uint32_t bytes) {
  const Hold hold(held_);
  return AllocateHeld(bytes);
}

SlabPool::Handle SlabPool::AllocateHeld(uint32_t bytes) {
  DCHECK(bytes > 0);
  if (bytes > kSizeMax) {
    const uint32_t alone = std::max(bytes, kSlabBytes + 1);
    const uint32_t number = NewSlab(alone, alone);
    slabs_[number].live = 1;
    return number << kIndexBits;
  }
  const uint32_t size_class = ClassOf(bytes);
  std::vector<uint32_t>& open = open_[size_class];
  const uint32_t size = SizeOf(size_class);
  while (!open.empty()) {
    const Slab& last = slabs_[open.back()];
    if (last.listed && last.size == size && last.live < last.capacity) break;
    if (last.size == size) slabs_[open.back()].listed = false;
    open.pop_back();
  }
  if (open.empty()) {
    open.push_back(NewSlab(size, kSlabBytes));
    slabs_[open.back()].listed = true;
  }
  const uint32_t number = open.back();
  Slab& slab = slabs_[number];
  uint32_t index = slab.free;
  if (slab.free == kNoBuffer) {
    index = slab.used++;
  } else {
    std::memcpy(&slab.free, slab.memory + index * size, sizeof(slab.free));
    // The next allocation wants to know what this one names.
    if (slab.free != kNoBuffer) __builtin_prefetch(slab.memory + slab.free * size, 1);
  }
  ++slab.live;
  return number << kIndexBits | index;
}

void SlabPool::Free(Handle handle) {
  if (handle == kNone) return;
  const Hold hold(held_);
  const uint32_t number = handle >> kIndexBits;
  const uint32_t index = handle & kIndexMask;
  Slab& slab = slabs_[number];
  if (slab.size > kSlabBytes) {
    bytes_ -= slab.size;
    std::free(slab.memory);
    slab = Slab();
    unused_.push_back(number);
    return;
  }
  std::memcpy(slab.memory + index * slab.size, &slab.free, sizeof(slab.free));
  slab.free = static_cast<uint16_t>(index);
  if (--slab.live == 0) {
    slab.size = 0;
    slab.listed = false;
    // Some stay for the next; a fall back from a peak is given back.
    if (empty_.size() < 64) {
      empty_.push_back(number);
    } else {
      std::free(slab.memory);
      slab = Slab();
      bytes_ -= kSlabBytes;
      unused_.push_back(number);
    }
  } else if (!slab.listed && !slab.leaving && slab.live < slab.capacity * 7 / 8) {
    slab.listed = true;
    open_[ClassOf(slab.size)].push_back(number);
  }
}

SlabPool::Handle SlabPool::Grow(Handle handle, uint32_t keep, uint32_t bytes) {
  const Handle grown = Allocate(bytes);
  if (keep > 0) std::memcpy(At(grown), At(handle), keep);
  Free(handle);
  return grown;
}

SlabPool::Handle SlabPool::Settle(Handle handle) {
  if (handle == kNone) return handle;
  uint32_t size = 0;
  {
    const Hold hold(held_);
    Slab& slab = slabs_[handle >> kIndexBits];
    if (slab.size > kSlabBytes || slab.live > slab.capacity * 3 / 4) return handle;
    slab.listed = false;
    slab.leaving = true;
    size = slab.size;
  }
  return Grow(handle, size, size);
}

}  // namespace narthex::tsdb
