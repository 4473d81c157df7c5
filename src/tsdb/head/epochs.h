#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"

namespace narthex::tsdb {

// Frees memory once nobody can still be reading it. Readers hold a Guard while they use pointers
// without a lock; a writer that has unlinked something hands over how to free it, and that happens
// when every guard taken before is gone. Thread-safe.
class Epochs {
 public:
  using Guard = std::shared_ptr<const void>;

  Epochs();
  Guard Enter() const EXCLUDES_LOCK(mutex_);
  // Frees one by one, on whichever thread lets go last. REQUIRES: already unlinked.
  void Retire(std::vector<std::move_only_function<void()>> frees) EXCLUDES_LOCK(mutex_);

 private:
  // Keeps the later ones alive, so that what is retired while a guard is held waits for it.
  struct Epoch {
    std::vector<std::move_only_function<void()>> frees;
    std::shared_ptr<Epoch> next;
    ~Epoch();
  };

  mutable base::Mutex mutex_;
  std::shared_ptr<Epoch> current_ GUARDED_BY(mutex_);
};

}  // namespace narthex::tsdb
