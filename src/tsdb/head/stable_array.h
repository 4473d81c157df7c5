#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/check.h"

namespace narthex::tsdb {

// An array that grows at its end and never moves what it holds, so that readers need no lock for an
// index that they know to be there. One writer; many readers of indexes published to them.
template <class T, uint32_t kBlockSize = 4096, uint32_t kBlocks = 65536>
class StableArray {
 public:
  StableArray() : blocks_(new std::atomic<T*>[kBlocks]()) {}
  ~StableArray() {
    for (uint32_t i = 0; i < kBlocks && blocks_[i] != nullptr; ++i) delete[] blocks_[i].load();
  }
  StableArray(const StableArray&) = delete;
  StableArray& operator=(const StableArray&) = delete;

  static constexpr uint64_t kSizeMax = uint64_t{kBlockSize} * kBlocks;

  uint32_t size() const { return size_.load(std::memory_order_acquire); }
  // REQUIRES: i < size().
  T& operator[](uint32_t i) { return Block(i)[i % kBlockSize]; }
  const T& operator[](uint32_t i) const { return Block(i)[i % kBlockSize]; }

  // Appends a default value and returns its index. REQUIRES: size() < kSizeMax.
  uint32_t Grow() {
    const uint32_t index = size_.load(std::memory_order_relaxed);
    CHECK(index < kSizeMax);
    std::atomic<T*>& block = blocks_[index / kBlockSize];
    if (block.load(std::memory_order_relaxed) == nullptr) {
      block.store(new T[kBlockSize](), std::memory_order_release);
    }
    size_.store(index + 1, std::memory_order_release);
    return index;
  }

 private:
  T* Block(uint32_t i) const { return blocks_[i / kBlockSize].load(std::memory_order_acquire); }

  // Untouched pages of this table cost no memory.
  std::unique_ptr<std::atomic<T*>[]> blocks_;
  std::atomic<uint32_t> size_{0};
};

}  // namespace narthex::tsdb
