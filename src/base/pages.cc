#include "base/pages.h"

#include <sys/mman.h>

#include <cstdint>

#include "base/check.h"

namespace narthex::base {
namespace {

constexpr size_t kPage = 4 << 10;
constexpr size_t kLargePage = 2 << 20;

char* Map(size_t bytes) {
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(at != MAP_FAILED);
  return static_cast<char*>(at);
}

}  // namespace

Pages::Pages(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  if (bytes < kLargePage) {
    data_ = Map(bytes);
    return;
  }
  // Large pages begin at multiples of their size: what is too much at both ends goes back.
  const size_t rounded = (bytes + kPage - 1) / kPage * kPage;
  char* const mapped = Map(rounded + kLargePage);
  const size_t over = reinterpret_cast<uintptr_t>(mapped) % kLargePage;
  const size_t before = over == 0 ? 0 : kLargePage - over;
  if (before > 0) ::munmap(mapped, before);
  ::munmap(mapped + before + rounded, kLargePage - before);
  data_ = mapped + before;
  ::madvise(data_, bytes, MADV_HUGEPAGE);  // Without it, pages are small.
}

Pages::~Pages() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace narthex::base
