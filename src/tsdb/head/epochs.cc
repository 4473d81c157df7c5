#include "tsdb/head/epochs.h"

#include <utility>

namespace narthex::tsdb {

Epochs::Epochs() : current_(std::make_shared<Epoch>()) {}

Epochs::Epoch::~Epoch() {
  for (auto& free : frees) free();
}

Epochs::Guard Epochs::Enter() const {
  base::MutexLock lock(mutex_);
  return current_;
}

void Epochs::Retire(std::vector<std::move_only_function<void()>> frees) {
  std::shared_ptr<Epoch> finished;
  {
    base::MutexLock lock(mutex_);
    auto next = std::make_shared<Epoch>();
    current_->frees = std::move(frees);
    current_->next = next;
    finished = std::exchange(current_, std::move(next));
  }
  // Without guards it ends here, outside the lock.
}

}  // namespace narthex::tsdb
