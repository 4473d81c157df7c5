#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace narthex::sdk::internal {

// The callbacks of all observables of a provider. Thread-safe.
class CallbackRegistry {
 public:
  using Run = std::function<void(size_t reader)>;

  void Add(const void* owner, Run run) {
    base::MutexLock lock(mutex_);
    runs_.emplace_back(owner, std::move(run));
  }
  void RemoveAll(const void* owner) {
    base::MutexLock lock(mutex_);
    std::erase_if(runs_, [&](const auto& entry) { return entry.first == owner; });
  }
  // Holds the lock meanwhile: whoever removes a callback may free what it uses right after.
  void RunAll(size_t reader) {
    base::MutexLock lock(mutex_);
    for (const auto& [owner, run] : runs_) run(reader);
  }

 private:
  base::Mutex mutex_;
  std::vector<std::pair<const void*, Run>> runs_ GUARDED_BY(mutex_);
};

}  // namespace narthex::sdk::internal
