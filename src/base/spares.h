#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace narthex::base {

// Memory of containers that have served, for those that come next: what the system hands out anew
// it has to clear first, page by page, which can cost more than all that is done with it.
// Thread-safe.
template <class Container>
class Spares {
 public:
  struct Limits {
    size_t bytes_max;
    size_t count_max;
  };
  explicit Spares(Limits limits) : limits_(limits) {}

  // Empty, with the capacity of the smallest spare that holds `elements`, or else of the largest.
  Container Take(size_t elements) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    if (spares_.empty()) return {};
    auto chosen = std::ranges::lower_bound(spares_, elements, {}, &Container::capacity);
    if (chosen == spares_.end()) --chosen;
    Container taken = std::move(*chosen);
    spares_.erase(chosen);
    bytes_ -= BytesOf(taken);
    return taken;
  }

  // Kept if it is within the limits; for its sake smaller ones are not.
  void Put(Container container) EXCLUDES_LOCK(mutex_) {
    container.clear();
    if (container.capacity() == 0 || BytesOf(container) > limits_.bytes_max) return;
    MutexLock lock(mutex_);
    bytes_ += BytesOf(container);
    spares_.insert(
        std::ranges::lower_bound(spares_, container.capacity(), {}, &Container::capacity),
        std::move(container));
    while (bytes_ > limits_.bytes_max || spares_.size() > limits_.count_max) {
      bytes_ -= BytesOf(spares_.front());
      spares_.erase(spares_.begin());
    }
  }

 private:
  static size_t BytesOf(const Container& container) {
    return container.capacity() * sizeof(typename Container::value_type);
  }

  const Limits limits_;
  Mutex mutex_;
  std::vector<Container> spares_ GUARDED_BY(mutex_);  // By capacity.
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace narthex::base
