#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/check.h"

namespace narthex::tsdb {

// An array that grows at its end and never moves what it holds, so that readers need no lock for an
// index that they know to be there. Whole blocks of old entries can be taken out. One writer; many
// readers of indexes published to them.
template <class T, uint32_t kBlockSize = 4096, uint32_t kBlocks = 1 << 20>
class StableArray {
 public:
  static constexpr uint32_t kPerBlock = kBlockSize;
  static constexpr uint64_t kSizeMax = uint64_t{kBlockSize} * kBlocks - 1;

  StableArray() : blocks_(static_cast<T**>(std::calloc(kBlocks, sizeof(T*)))) {
    CHECK(blocks_ != nullptr);
  }
  ~StableArray() {
    for (uint32_t i = 0; i <= size() / kBlockSize; ++i) delete[] blocks_[i];
    std::free(blocks_);
  }
  StableArray(const StableArray&) = delete;
  StableArray& operator=(const StableArray&) = delete;

  uint32_t size() const { return size_.load(std::memory_order_acquire); }
  // REQUIRES: i < size(), and its block is still there.
  T& operator[](uint32_t i) { return Block(i)[i % kBlockSize]; }
  const T& operator[](uint32_t i) const { return Block(i)[i % kBlockSize]; }
  // nullptr beyond the end and where the block has been taken out.
  T* Find(uint32_t i) const {
    if (i >= size()) return nullptr;
    T* const block = Block(i);
    return block == nullptr ? nullptr : block + i % kBlockSize;
  }

  // Appends a default value and returns its index. REQUIRES: size() < kSizeMax.
  uint32_t Grow() {
    const uint32_t index = size_.load(std::memory_order_relaxed);
    CHECK(index < kSizeMax);
    const std::atomic_ref<T*> block(blocks_[index / kBlockSize]);
    if (block.load(std::memory_order_relaxed) == nullptr) {
      block.store(new T[kBlockSize](), std::memory_order_release);
    }
    size_.store(index + 1, std::memory_order_release);
    return index;
  }

  // Unlinks the block that begins at `first`; the caller deletes it when no reader is left.
  // REQUIRES: `first` is a multiple of kBlockSize, and the block is full.
  std::unique_ptr<T[]> TakeBlock(uint32_t first) {
    CHECK(first % kBlockSize == 0 && first + kBlockSize <= size());
    return std::unique_ptr<T[]>(std::atomic_ref<T*>(blocks_[first / kBlockSize]).exchange(nullptr));
  }

 private:
  T* Block(uint32_t i) const {
    return std::atomic_ref<T*>(blocks_[i / kBlockSize]).load(std::memory_order_acquire);
  }

  // From calloc, whose untouched pages cost no memory; entries are used as atomics.
  T** const blocks_;
  std::atomic<uint32_t> size_{0};
};

}  // namespace narthex::tsdb
