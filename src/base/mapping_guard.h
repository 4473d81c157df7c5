#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace narthex::base {

// Watches over a read-only mapping. The kernel answers the reading of a page that is gone (its file
// was cut off, its disk fails) with SIGBUS: while a guard lives, such a page becomes one of zeros
// instead, the read goes on, and intact() tells of it. Nothing is unwound, so that any code may
// read. A signal belongs to the process: the first guard installs a handler for all of them, which
// leaves every address that no guard covers to the handler before it. Thread-safe.
class MappingGuard {
 public:
  // REQUIRES: `mapped` begins on a page and outlives the guard.
  explicit MappingGuard(std::string_view mapped);
  ~MappingGuard();
  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

  bool intact() const;

  struct Slot;  // Of the handler's table.

 private:
  Slot* const slot_;
};

}  // namespace narthex::base
