#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/mutex.h"

namespace narthex::sdk::internal {

// 1, 2, 3 … in the order in which threads first measure; never used again. 0: not yet given.
inline constinit thread_local uint32_t this_thread_ordinal
    __attribute__((tls_model("initial-exec"))) = 0;
uint32_t AssignThreadOrdinal();
inline uint32_t ThreadOrdinal() {
  const uint32_t ordinal = this_thread_ordinal;
  return ordinal != 0 ? ordinal : AssignThreadOrdinal();
}

inline constexpr size_t kShards = 8;

// Per-thread parts of one aggregate. Each thread has a slot; the thread that first came to a slot
// owns its shard and may write with plain loads and stores, any other thread that lands there has
// to use atomic read-modify-write operations on fields of their own. Thread-safe.
// Shard(uint32_t owner, args...) is made on first use.
template <class Shard>
class Sharded {
 public:
  Sharded() = default;
  ~Sharded() {
    for (const auto& slot : slots_) delete slot.load(std::memory_order_relaxed);
  }
  Sharded(const Sharded&) = delete;
  Sharded& operator=(const Sharded&) = delete;

  template <class... Args>
  Shard& Get(uint32_t ordinal, const Args&... args) {
    std::atomic<Shard*>& slot = slots_[ordinal % kShards];
    Shard* shard = slot.load(std::memory_order_acquire);
    if (shard == nullptr) [[unlikely]] {
      auto fresh = std::make_unique<Shard>(ordinal, args...);
      if (slot.compare_exchange_strong(shard, fresh.get(), std::memory_order_acq_rel)) {
        shard = fresh.release();
      }
    }
    return *shard;
  }

  template <class Visit>
  void ForEach(Visit visit) const {
    for (const auto& slot : slots_) {
      if (Shard* shard = slot.load(std::memory_order_acquire)) visit(*shard);
    }
  }

 private:
  std::array<std::atomic<Shard*>, kShards> slots_{};
};

// For a field that only its owner writes.
template <class T>
void AddOwned(std::atomic<T>& field, T value) {
  field.store(field.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

}  // namespace narthex::sdk::internal
