#pragma once

#include <cstddef>
#include <utility>

namespace narthex::base {

// Zeroed memory of its own, straight from the system and not counted by the allocator. A process
// has only what of it has been touched; from 2 MiB on it comes in large pages where the system has
// them, which random access over much memory is a good deal faster in. Movable; one thread at a
// time.
class Pages {
 public:
  Pages() = default;
  // Aborts when the system has no memory left, as allocation does.
  explicit Pages(size_t bytes);
  ~Pages();
  Pages(Pages&& other) noexcept { *this = std::move(other); }
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  void* data() const { return data_; }
  size_t size() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace narthex::base
