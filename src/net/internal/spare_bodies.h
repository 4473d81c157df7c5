#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace narthex::net::internal {

// Memory of bodies that have been read, for those that come next: what the system hands out anew it
// has to clear first, page by page, which costs more than the copy of what arrives. Thread-safe.
class SpareBodies {
 public:
  static constexpr size_t kBytesMax = 16 << 20;
  static constexpr size_t kCountMax = 16;

  // Empty, with the capacity of the smallest spare that holds `bytes`, or else of the largest.
  std::string Take(size_t bytes) EXCLUDES_LOCK(mutex_) {
    base::MutexLock lock(mutex_);
    if (spares_.empty()) return {};
    auto chosen = std::ranges::lower_bound(spares_, bytes, {}, &std::string::capacity);
    if (chosen == spares_.end()) --chosen;
    std::string body = std::move(*chosen);
    spares_.erase(chosen);
    bytes_ -= body.capacity();
    return body;
  }

  // Kept if it is within the limits; for its sake smaller ones are not.
  void Put(std::string body) EXCLUDES_LOCK(mutex_) {
    if (body.capacity() > kBytesMax) return;
    body.clear();
    base::MutexLock lock(mutex_);
    bytes_ += body.capacity();
    spares_.insert(std::ranges::lower_bound(spares_, body.capacity(), {}, &std::string::capacity),
                   std::move(body));
    while (bytes_ > kBytesMax || spares_.size() > kCountMax) {
      bytes_ -= spares_.front().capacity();
      spares_.erase(spares_.begin());
    }
  }

 private:
  base::Mutex mutex_;
  std::vector<std::string> spares_ GUARDED_BY(mutex_);  // By capacity.
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace narthex::net::internal
