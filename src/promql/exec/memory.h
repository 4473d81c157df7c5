#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace narthex::promql {

// The bytes that a query holds: what grows with series, steps and samples. Thread-safe.
class MemoryAccount {
 public:
  explicit MemoryAccount(uint64_t bytes_max = UINT64_MAX) : bytes_max_(bytes_max) {}
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  // Takes note; whoever evaluates looks at `exceeded` soon after.
  void Hold(size_t bytes) { RaisePeak(held_.fetch_add(bytes, std::memory_order_relaxed) + bytes); }
  // Takes note of bytes that are held for so short a while that only the peak knows of them. Many
  // threads may call it for every series: nothing is written while the peak was higher.
  void Touch(size_t bytes) { RaisePeak(held_.load(std::memory_order_relaxed) + bytes); }
  void Release(size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }

  // Stays true once it was.
  bool exceeded() const { return peak() > bytes_max_; }
  // True when so many bytes more would be too many.
  bool WouldExceed(size_t bytes) const {
    return bytes > bytes_max_ || held_.load(std::memory_order_relaxed) > bytes_max_ - bytes;
  }
  uint64_t bytes_max() const { return bytes_max_; }
  uint64_t held() const { return held_.load(std::memory_order_relaxed); }
  uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  void RaisePeak(uint64_t held) {
    uint64_t peak = peak_.load(std::memory_order_relaxed);
    while (held > peak && !peak_.compare_exchange_weak(peak, held, std::memory_order_relaxed)) {
    }
  }

  const uint64_t bytes_max_;
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> peak_{0};
};

// Bytes that are released with it. Move-only.
class HeldBytes {
 public:
  HeldBytes() = default;
  explicit HeldBytes(MemoryAccount& account) : account_(&account) {}
  HeldBytes(HeldBytes&& other) noexcept
      : account_(other.account_), bytes_(std::exchange(other.bytes_, 0)) {}
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    if (this == &other) return *this;
    Set(0);
    account_ = other.account_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~HeldBytes() { Set(0); }

  // REQUIRES: made for an account, unless `bytes` is 0.
  void Set(size_t bytes) {
    if (bytes > bytes_) account_->Hold(bytes - bytes_);
    if (bytes < bytes_) account_->Release(bytes_ - bytes);
    bytes_ = bytes;
  }
  void Add(size_t bytes) { Set(bytes_ + bytes); }

 private:
  MemoryAccount* account_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace narthex::promql
