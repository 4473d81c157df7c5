#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace narthex::base {

// Up to `threads_max` threads, each started when a function finds no free one; they end when they
// have been free for `idle_max`. Thread-safe.
class ThreadPool {
 public:
  explicit ThreadPool(size_t threads_max,
                      std::chrono::milliseconds idle_max = std::chrono::milliseconds::max())
      : threads_max_(threads_max), idle_max_(idle_max) {}
  ~ThreadPool() { Stop(); }

  // Dropped uncalled after Stop.
  void Run(std::move_only_function<void()> function);
  // Drops what waits, joins what runs. Works twice.
  void Stop();
  // Threads that run or wait for work now.
  size_t threads() const;

 private:
  void Work();
  bool AwaitWork() REQUIRES_LOCK(mutex_);
  // Takes the calling thread off the list of those that Stop joins.
  void Leave() REQUIRES_LOCK(mutex_);

  const size_t threads_max_;
  const std::chrono::milliseconds idle_max_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<std::move_only_function<void()>> queue_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  std::thread left_ GUARDED_BY(mutex_);  // The last thread that ended by itself, to be joined.
  size_t free_ GUARDED_BY(mutex_) = 0;   // Threads that wait for work.
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace narthex::base
