#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace narthex::base {

// Up to `threads_max` threads, each started when a function finds no free one. Thread-safe.
class ThreadPool {
 public:
  explicit ThreadPool(size_t threads_max) : threads_max_(threads_max) {}
  ~ThreadPool() { Stop(); }

  // Dropped uncalled after Stop.
  void Run(std::move_only_function<void()> function);
  // Drops what waits, joins what runs. Works twice.
  void Stop();

 private:
  void Work();

  const size_t threads_max_;
  Mutex mutex_;
  CondVar wake_;
  std::deque<std::move_only_function<void()>> queue_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  size_t free_ GUARDED_BY(mutex_) = 0;  // Threads that wait for work.
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace narthex::base
